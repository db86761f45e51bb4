/**
 * What makes two deliveries the same request. A stand-in keeps a request once under its identity, and the owner's ledger
 * carries it out once.
 */
import { hash } from 'node:crypto';

const sha256 = (data: Buffer | string): string => hash('sha256', data);

/** @param id a snowflake */
export const interactionIdentity = (id: string): string => `interaction:${id}`;

/** An id that a log, a header and a path can carry as it is. */
const PLAIN_ID = /^[\x21-\x7e]{1,200}$/;

/**
 * The event's id. Its other content is no part of it: Stripe repeats an event with another `pending_webhooks`, and after an upgrade
 * of the endpoint with another `api_version`. What has no usable id, which Stripe never sends, is known by its bytes.
 */
export function stripeIdentity(event: unknown, body: Buffer): string {
  const id = (event as { readonly id?: unknown } | null | undefined)?.id;
  return `stripe:${typeof id === 'string' && PLAIN_ID.test(id) ? id : `sha256-${sha256(body)}`}`;
}

/**
 * A webhook event of Discord's has no id. Its type, its time to the microsecond and its content name it, however they are written:
 * a repetition may have its keys in another order, or a new key beside the event.
 */
export function discordEventIdentity(payload: unknown): string {
  const { application_id: application, event } = (payload ?? {}) as Readonly<Record<string, unknown>>;
  return `discord-event:${sha256(JSON.stringify([application ?? null, sorted(event ?? null)]))}`;
}

/** An event of Discord's gateway that one pod hands to another: Discord numbers the events of a session. */
export const gatewayEventIdentity = (sessionId: string, sequence: number): string =>
  `gateway-event:${PLAIN_ID.test(sessionId) ? sessionId : `sha256-${sha256(sessionId)}`}:${sequence}`;

/** The same value with the keys of its objects in alphabetical order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([key, inner]) => [key, sorted(inner)]);
}
