/** Alternating lower-case name and value: `['content-type', 'text/html', 'etag', '"1"']`. A name may occur twice. */
export type HeaderList = readonly string[];

/** All internal headers start with this. HTTP pods remove them from what clients send, gateway pods from what bots answer. */
const INTERNAL_PREFIX = 'guildway-';

/** The headers that pods exchange. Those marked "public" also reach the client. */
export const HEADER = Object.freeze({
  /** Public. Names one request in the logs of every pod it passed. */
  requestId: 'guildway-request-id',
  /** Public. The ordinal of the gateway pod that answered. */
  pod: 'guildway-pod',
  /** Public. The name of the HTTP pod that served the client. */
  httpPod: 'guildway-http-pod',
  /** On a 421: the ordinal of the owner, according to the answering pod. See pod-statement.ts. */
  owner: 'guildway-owner',
  /** On a 421: the epoch of the answering pod's topology. */
  epoch: 'guildway-epoch',
  /** On a 421: the newest topology that the answering pod knows, as `topologyText` (routing/topology.ts) writes it. */
  topology: 'guildway-topology',
  /** On a 401, 421 or 503: why the pod has not looked at the request. See pod-statement.ts. */
  refusal: 'guildway-refusal',
  /** On a 503: why the pod serves no guild until topologies agree. See pod-statement.ts. */
  held: 'guildway-held',
  /** On a 5xx: why the pod, not the bot, could not finish the request. See pod-statement.ts. */
  failure: 'guildway-failure',
  /** On plain HTTP: proves that the caller is a pod, and says which ordinal it dialled. See link/auth.ts. */
  auth: 'guildway-auth',
  /** On plain HTTP: how long the caller waits, in milliseconds. */
  deadlineMs: 'guildway-deadline-ms',
  /** The caller of this interaction already has a deferred response of this type (5 or 6): complete it by editing. */
  deferred: 'guildway-deferred',
  /** The identity of a hint: a stand-in stored this request. */
  hint: 'guildway-hint',
  /** Public to bots. What the HTTP pod has verified: `stripe` for the signature of a Stripe event. */
  verified: 'guildway-verified',
  /** On a response: it is the recorded response to an earlier delivery. */
  replayed: 'guildway-replayed',
});

/** The headers of `PUT /_guildway/hints/<identity>`, in addition to `HEADER.deferred`. */
export const HINT_HEADER = Object.freeze({
  /** The path and query to deliver the hint to. */
  target: 'guildway-hint-target',
  /** The guild's id, or empty. */
  guild: 'guildway-hint-guild',
  /** The ordinal of the owner. */
  owner: 'guildway-hint-owner',
  /** `0`: the request was certainly not sent to its owner. Anything else: its owner may have executed it. */
  sent: 'guildway-hint-sent',
  /** Also sent with the delivery: for how many milliseconds the request may still be executed. */
  lifeMs: 'guildway-hint-life-ms',
});

/**
 * Fields that concern one connection (RFC 9110, 7.6.1), and `Expect`, which each server answers itself. Neither service forwards
 * them in either direction.
 */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'],
  ...['proxy-authenticate', 'proxy-authorization', 'proxy-authentication-info', 'http2-settings', 'expect'],
]);

/**
 * Fields that `Connection` cannot turn into hop-by-hop ones. RFC 9110 forbids a sender to name a field there that is meant for
 * all recipients. A client that does could hide its credentials, its signature or its Idempotency-Key from the owner.
 */
const END_TO_END: ReadonlySet<string> = new Set([
  ...['host', 'authorization', 'cookie', 'set-cookie', 'idempotency-key', 'origin', 'referer', 'location', 'forwarded'],
  ...['cache-control', 'vary', 'etag', 'date', 'range', 'user-agent', 'stripe-signature', 'www-authenticate'],
  ...['strict-transport-security', 'x-real-ip', 'x-request-id', 'x-api-key'],
]);
const END_TO_END_PREFIXES = [INTERNAL_PREFIX, 'x-forwarded-', 'x-signature-', 'content-', 'if-', 'accept', 'sec-'];

/** The first letters of the hop-by-hop names. Most names begin with another letter, and this test costs less than a lookup. */
const FIRST_LETTERS = new Uint8Array(256);
for (const name of HOP_BY_HOP) FIRST_LETTERS[name.charCodeAt(0)] = 1;

/** Whether a field never passes to the next hop. @param name in lower case */
export const isHopByHop = (name: string): boolean => FIRST_LETTERS[name.charCodeAt(0)] === 1 && HOP_BY_HOP.has(name);

/** Whether only pods may send a field. @param name in lower case */
export const isInternal = (name: string): boolean => name.startsWith(INTERNAL_PREFIX);

/** Whether the value of a `Connection` field names no other field. Nearly all values name none. */
export const namesNoField = (connection: string): boolean => connection === 'keep-alive' || connection === 'close';

/** The fields that all `Connection` fields of a message together make hop-by-hop, in lower case. */
function namedByConnection(fields: HeaderList): ReadonlySet<string> {
  const named = new Set<string>();
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] !== 'connection') continue;
    for (const option of (fields[i + 1] as string).split(',')) {
      const name = option.trim().toLowerCase();
      // The hop-by-hop ones are still read on this hop: without its Transfer-Encoding, a message seems to have no body.
      if (isHopByHop(name) || END_TO_END.has(name) || END_TO_END_PREFIXES.some((prefix) => name.startsWith(prefix)))
        continue;
      named.add(name);
    }
  }
  return named;
}

/** A message's fields without those that its `Connection` fields name. Hop-by-hop fields remain. */
export function withoutNamedByConnection(fields: HeaderList): HeaderList {
  let plain = true;
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] === 'connection' && !namesNoField(fields[i + 1] as string)) plain = false;
  }
  if (plain) return fields;
  const named = namedByConnection(fields);
  return fields.filter((_, i) => !named.has(fields[i - (i % 2)] as string));
}

/** The fields that may pass to the next hop: neither hop-by-hop nor named by a `Connection` field. */
export function endToEnd(fields: HeaderList): string[] {
  const unnamed = withoutNamedByConnection(fields);
  return unnamed.filter((_, i) => !isHopByHop(unnamed[i - (i % 2)] as string));
}

/** The first value of a field, or undefined. For fields that pods send; see {@link fieldValue}. @param name in lower case */
export function headerValue(headers: HeaderList, name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
  return undefined;
}

/**
 * The value of a field. Repeated fields are joined by commas (RFC 9110, 5.3). Use it for any field that a client may send twice:
 * with the first value alone, the pod and the bot would read different values.
 * @param name in lower case
 */
export function fieldValue(fields: HeaderList, name: string): string | undefined {
  let value: string | undefined;
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] !== name) continue;
    value = value === undefined ? fields[i + 1] : `${value}, ${fields[i + 1]}`;
  }
  return value;
}
