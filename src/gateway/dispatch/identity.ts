import { hash } from 'node:crypto';
import type { HeaderList } from '../../link/message.ts';
import type { Identity } from '../store/ledger.ts';

const HOUR_MS = 3_600_000;

/**
 * How long each kind is remembered: longer than its sender repeats it, and longer than a stand-in keeps it. Discord does not
 * repeat an interaction and its token lives 15 minutes; a hint of a webhook may come three days later.
 */
const RETENTION_MS = Object.freeze({
  interaction: HOUR_MS,
  key: 24 * HOUR_MS,
  stripe: 96 * HOUR_MS,
  event: 96 * HOUR_MS,
});

const sha256 = (data: Buffer | string): string => hash('sha256', data, 'base64url');

/** @param id the interaction's, a snowflake */
export function interactionIdentity(id: string, body: Buffer): Identity {
  return { key: `interaction:${id}`, bodyHash: sha256(body), retentionMs: RETENTION_MS.interaction };
}

/** A webhook event of Discord's has no id of its own. */
export function eventWebhookIdentity(body: Buffer): Identity {
  const bodyHash = sha256(body);
  return { key: `discord-event:${hash('sha256', body)}`, bodyHash, retentionMs: RETENTION_MS.event };
}

/** @param id the Stripe event's, `evt_…` */
export function stripeIdentity(id: string, body: Buffer): Identity {
  return { key: `stripe:${id}`, bodyHash: sha256(body), retentionMs: RETENTION_MS.stripe };
}

/** What a caller is recognized by. */
const CREDENTIALS: ReadonlySet<string> = new Set(['authorization', 'cookie']);

export interface KeyedRequest {
  readonly guildId: string | null;
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: HeaderList;
  readonly body: Buffer;
}

/**
 * An `Idempotency-Key` of a request about a guild: the same key for another request is refused, so all of it is hashed.
 *
 * A recorded response is given without asking the bot, so a key counts for the caller who sent it: another caller's same key is
 * another one. Key and credentials are hashed together, so that what is logged of an identity does not tell who they are.
 */
export function keyIdentity(key: string, { guildId, method, target, headers, body }: KeyedRequest): Identity {
  const caller = headers.flatMap((name, i) => (i % 2 === 0 && CREDENTIALS.has(name) ? [name, headers[i + 1]] : []));
  const content = Buffer.concat([Buffer.from(`${method} ${target}\n`), body]);
  return {
    key: `key:${guildId ?? ''}:${sha256(JSON.stringify([key, ...caller]))}`,
    bodyHash: sha256(content),
    retentionMs: RETENTION_MS.key,
  };
}
