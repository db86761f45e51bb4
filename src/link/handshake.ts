import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { BotManifest } from '../bot/types.ts';
import { GuildwayError } from '../errors.ts';
import { PATH } from '../protocol/paths.ts';
import type { TopologyRecord } from '../routing/topology.ts';
import type { Duration } from '../time.ts';
import { HEADER } from './message.ts';

/**
 * How two pods get to know each other.
 *
 *     client  GET /_guildway/link, Upgrade: guildway-link     its nonce, the ordinal it dialled
 *     server  101                                             its nonce, its ordinal, its proof
 *     client  HELLO frame                                     its proof, its name, its topology
 *     server  HELLO frame                                     its topology, its bot's manifest
 *
 * A proof is an HMAC with LINK_SECRET over both nonces, the ordinal and the role, so neither side sends the secret, a
 * recorded handshake is worth nothing, and a proof cannot be reflected. A server that is not the pod that was dialled answers
 * 421: an address that has gone to another pod must never be written to.
 */
export const LINK_PATH = PATH.link;
export const LINK_PROTOCOL = 'guildway-link';
export const LINK_VERSION = 1;

export const LINK_HEADER = Object.freeze({
  version: 'guildway-link-version',
  nonce: 'guildway-link-nonce',
  ordinal: 'guildway-link-ordinal',
  proof: 'guildway-link-proof',
  /** On an answer other than 101: why. Its absence means that the peer does not know the link. */
  refusal: HEADER.refusal,
});

export type Role = 'client' | 'server';

export const newNonce = (): string => randomBytes(16).toString('hex');

/** The HMAC, in hex, that `role` shows for one handshake. */
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

/** What a link client says of itself. */
export interface ClientHello {
  readonly proof: string;
  readonly name: string;
  readonly topology: TopologyRecord;
}

/** What a gateway pod says of itself. */
export interface ServerHello {
  readonly ordinal: number;
  readonly topology: TopologyRecord;
  readonly manifest: BotManifest;
  /** It sends a sign of life at least this often when asked. */
  readonly heartbeatMs: Duration;
}

/** For each field, whether a value is one. Fields of a newer version are left out. */
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
  topology: isRecord,
};
const SERVER_HELLO: Shape<ServerHello> = {
  ordinal: isInteger(0),
  topology: isRecord,
  /** Its users check the rest of its shape; pods of other versions may send more. */
  manifest: (value) => isRecord(value) && isText(value.name),
  heartbeatMs: isInteger(1),
};

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What has the shape, and nothing else. @throws GuildwayError LINK_PROTOCOL naming the field, never its value */
function pick<T>(shape: Shape<T>, value: unknown, what: string): T {
  const picked: Partial<T> = {};
  for (const [field, fits] of Object.entries(shape) as [keyof T & string, (value: unknown) => boolean][]) {
    const found = isRecord(value) ? value[field] : undefined;
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
export const parseTopology = (value: unknown, what: string): TopologyRecord => pick(TOPOLOGY, value, what);

/** @throws GuildwayError LINK_PROTOCOL */
export const parseClientHello = (payload: Buffer): ClientHello => parseHello(CLIENT_HELLO, payload);

/** @throws GuildwayError LINK_PROTOCOL */
export const parseServerHello = (payload: Buffer): ServerHello => parseHello(SERVER_HELLO, payload);

/** A header that stands there once, else undefined. */
export function single(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}
