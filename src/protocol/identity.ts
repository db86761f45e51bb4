/**
 * The identity of a request. Two deliveries with one identity are the same request: a stand-in stores it once, and the owner
 * executes it once.
 */
import { hash } from 'node:crypto';

const sha256 = (data: Buffer | string): string => hash('sha256', data);

/** @param id a snowflake */
export const interactionIdentity = (id: string): string => `interaction:${id}`;

/** An id that is safe in a log, a header and a path without encoding. */
const PLAIN_ID = /^[\x21-\x7e]{1,200}$/;

/**
 * The event's id. The rest of the content does not count: a retry by Stripe may have another `pending_webhooks` and, after an
 * upgrade of the endpoint, another `api_version`. An event without a usable id (never sent by Stripe) is identified by its bytes.
 */
export function stripeIdentity(event: unknown, body: Buffer): string {
  const id = (event as { readonly id?: unknown } | null | undefined)?.id;
  return `stripe:${typeof id === 'string' && PLAIN_ID.test(id) ? id : `sha256-${sha256(body)}`}`;
}

/**
 * Discord's webhook events have no id. The type, the time (to the microsecond) and the content identify an event, in any order of
 * keys: a retry may order its keys differently, or have a new key beside the event.
 */
export function discordEventIdentity(payload: unknown): string {
  const { application_id: application, event } = (payload ?? {}) as Readonly<Record<string, unknown>>;
  return `discord-event:${sha256(JSON.stringify([application ?? null, sorted(event ?? null)]))}`;
}

/** An event of Discord's gateway that one pod forwards to another: Discord numbers the events of a session. */
export const gatewayEventIdentity = (sessionId: string, sequence: number): string =>
  `gateway-event:${PLAIN_ID.test(sessionId) ? sessionId : `sha256-${sha256(sessionId)}`}:${sequence}`;

/** The same value with the keys of its objects in alphabetical order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([key, inner]) => [key, sorted(inner)]);
}
