import { hash } from 'node:crypto';
import type { HeaderList } from '../../protocol/headers.ts';
import { HINT_LIFE_MS } from '../../protocol/hints.ts';
import {
  discordEventIdentity,
  gatewayEventIdentity,
  interactionIdentity,
  stripeIdentity,
} from '../../protocol/identity.ts';
import type { Identity } from '../store/ledger.ts';
import { callerOf } from './caller.ts';

const HOUR_MS = 3_600_000;

/** An identity must outlive the hint that may deliver it again. The extra day covers clocks that differ and slow owners. */
export const EVENT_RETENTION_MS = HINT_LIFE_MS.event + 24 * HOUR_MS;

/**
 * How long each kind is remembered: longer than its sender repeats it and longer than a stand-in stores it. Discord does not
 * repeat an interaction, and the token expires after 15 minutes.
 */
const RETENTION_MS = Object.freeze({
  interaction: HOUR_MS,
  key: 24 * HOUR_MS,
  stripe: EVENT_RETENTION_MS,
  event: EVENT_RETENTION_MS,
});

const sha256 = (data: Buffer | string): string => hash('sha256', data, 'base64url');

/** Discord sends an interaction once, so the same id with another body is an error or a forgery. @param id a snowflake */
export function identityOfInteraction(id: string, guildId: string | null, body: Buffer): Identity {
  return { key: interactionIdentity(id), guildId, bodyHash: sha256(body), retentionMs: RETENTION_MS.interaction };
}

/** An event is its own identity, see {@link discordEventIdentity}. */
export function identityOfEventWebhook(payload: unknown, guildId: string | null): Identity {
  return { key: discordEventIdentity(payload), guildId, bodyHash: null, retentionMs: RETENTION_MS.event };
}

/** A gateway event that another pod received, see {@link gatewayEventIdentity}. */
export function identityOfGatewayEvent(sessionId: string, sequence: number, guildId: string): Identity {
  return { key: gatewayEventIdentity(sessionId, sequence), guildId, bodyHash: null, retentionMs: RETENTION_MS.event };
}

/** The event's id alone, see {@link stripeIdentity}. */
export function identityOfStripeEvent(body: Buffer, guildId: string | null): Identity {
  return { key: stripeIdentity(parsed(body), body), guildId, bodyHash: null, retentionMs: RETENTION_MS.stripe };
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return null;
  }
}

export interface KeyedRequest {
  readonly guildId: string | null;
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: HeaderList;
  readonly body: Buffer;
}

/**
 * An `Idempotency-Key` of a request for a guild. The same key with another method, target or body is refused.
 *
 * A recorded response does not pass through the bot's authorization, so a key is valid only for the caller that sent it. Key
 * and caller are hashed together, so a logged identity does not reveal the caller.
 * @param sessionCookies see {@link callerOf}
 */
export function identityOfKey(key: string, request: KeyedRequest, sessionCookies: readonly string[] | null): Identity {
  const { guildId, method, target, headers, body } = request;
  const content = Buffer.concat([Buffer.from(`${method} ${target}\n`), body]);
  return {
    key: `key:${guildId ?? ''}:${sha256(JSON.stringify([key, ...callerOf(headers, sessionCookies)]))}`,
    guildId,
    bodyHash: sha256(content),
    retentionMs: RETENTION_MS.key,
  };
}
