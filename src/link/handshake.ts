import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { BotManifest } from '../bot/types.ts';
import { GuildwayError } from '../errors.ts';
import { isJsonObject } from '../protocol/json-values.ts';
import { PATH } from '../protocol/paths.ts';
import { isPossible, type TopologyRecord } from '../routing/topology.ts';
import type { Duration } from '../time.ts';
import { HEADER } from './message.ts';

/**
 * The handshake of two pods.
 *
 *     client  GET /_guildway/link, Upgrade: guildway-link     its nonce, the ordinal it dialled
 *     server  101                                             its nonce, its ordinal, its proof
 *     client  HELLO frame                                     its proof, its name, its topology
 *     server  HELLO frame                                     its topology, its bot's manifest
 *
 * A proof is an HMAC with LINK_SECRET over both nonces, the ordinal and the role. So neither side sends the secret, a recorded handshake
 * is useless, and a proof cannot be reflected. A server that is not the dialled pod responds with 421, because a client must never send
 * requests to a pod that has taken over the address.
 */
export const LINK_PATH = PATH.link;
export const LINK_PROTOCOL = 'guildway-link';
export const LINK_VERSION = 1;

export const LINK_HEADER = Object.freeze({
  version: 'guildway-link-version',
  nonce: 'guildway-link-nonce',
  ordinal: 'guildway-link-ordinal',
  proof: 'guildway-link-proof',
  /** The reason in a response other than 101. Without this header, the peer does not support the link. */
  refusal: HEADER.refusal,
});

export type Role = 'client' | 'server';

export const newNonce = (): string => randomBytes(16).toString('hex');

/** The proof of `role` for one handshake: an HMAC in hex. */
export function proof(secret: string, role: Role, ordinal: number, clientNonce: string, serverNonce: string): string {
  return createHmac('sha256', secret)
    .update(`${LINK_PROTOCOL}/${LINK_VERSION}\n${role}\n${ordinal}\n${clientNonce}\n${serverNonce}`)
    .digest('hex');
}

/** Compares proofs in constant time; anything that is not 64 hexadecimal digits is wrong. */
export function sameProof(expected: string, given: unknown): boolean {
  if (typeof given !== 'string' || !/^[0-9a-f]{64}$/.test(given)) return false;
  return timingSafeEqual(Buffer.from(expected, 'hex'), Buffer.from(given, 'hex'));
}

export function isNonce(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{32}$/.test(value);
}

/** The identity of a link client. */
export interface ClientHello {
  readonly proof: string;
  readonly name: string;
  readonly topology: TopologyRecord;
}

/** The identity of a gateway pod. */
export interface ServerHello {
  readonly ordinal: number;
  readonly topology: TopologyRecord;
  readonly manifest: BotManifest;
  /** The heartbeat interval at which it responds to pings. */
  readonly heartbeatMs: Duration;
}

/** The validator of each field. Fields of a newer version are dropped. */
type Shape<T> = { readonly [Field in keyof T]: (value: unknown) => boolean };

const isText = (value: unknown): value is string => typeof value === 'string';
const isInteger =
  (min: number) =>
  (value: unknown): boolean =>
    Number.isSafeInteger(value) && (value as number) >= min;

const TOPOLOGY: Shape<TopologyRecord> = {
  strategy: (value) => value === 'md5' || value === 'discord-shard',
  pods: isInteger(1),
  shards: (value) => value === null || isInteger(1)(value),
  epoch: isInteger(1),
};
const CLIENT_HELLO: Shape<ClientHello> = {
  proof: isText,
  name: (value) => isText(value) && value.length <= 253,
  topology: isJsonObject,
};
const SERVER_HELLO: Shape<ServerHello> = {
  ordinal: isInteger(0),
  topology: isJsonObject,
  /** Its users validate the rest of its shape. Pods of other versions may send more. */
  manifest: (value) => isJsonObject(value) && isText(value.name),
  heartbeatMs: isInteger(1),
};

/** The valid fields of a message. @throws GuildwayError LINK_PROTOCOL that names an invalid field, never its value */
function pick<T>(shape: Shape<T>, value: unknown, what: string): T {
  const picked: Partial<T> = {};
  for (const [field, fits] of Object.entries(shape) as [keyof T & string, (value: unknown) => boolean][]) {
    const found = isJsonObject(value) ? value[field] : undefined;
    if (!fits(found)) throw new GuildwayError('LINK_PROTOCOL', `${what} of another shape: see its ${field}`);
    picked[field] = found as T[typeof field];
  }
  return picked as T;
}

function parseHello<T extends { readonly topology: TopologyRecord }>(shape: Shape<T>, bytes: Buffer): T {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new GuildwayError('LINK_PROTOCOL', 'a HELLO that is not JSON', { cause });
  }
  const hello = pick(shape, value, 'a HELLO');
  return { ...hello, topology: parseTopology(hello.topology, 'the topology in a HELLO') };
}

/** @param what names it in the error. @throws GuildwayError LINK_PROTOCOL */
export function parseTopology(value: unknown, what: string): TopologyRecord {
  const topology = pick(TOPOLOGY, value, what);
  if (!isPossible(topology)) throw new GuildwayError('LINK_PROTOCOL', `${what} that cannot exist`);
  return topology;
}

/** @throws GuildwayError LINK_PROTOCOL */
export const parseClientHello = (payload: Buffer): ClientHello => parseHello(CLIENT_HELLO, payload);

/** @throws GuildwayError LINK_PROTOCOL */
export const parseServerHello = (payload: Buffer): ServerHello => parseHello(SERVER_HELLO, payload);

/** The value of a header that occurs exactly once; undefined otherwise. */
export function single(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}
