import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import type { BotManifest } from '../bot/types.ts';
import { GuildwayError } from '../errors.ts';
import type { TopologyRecord } from '../routing/topology.ts';
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
export const LINK_PATH = '/_guildway/link';
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

const topologyRecord = z.object({
  strategy: z.enum(['md5', 'discord-shard']),
  pods: z.int().min(1),
  shards: z.int().min(1).nullable(),
  epoch: z.int().min(1),
});

const clientHello = z.object({ proof: z.string(), name: z.string().max(253), topology: topologyRecord });
const serverHello = z.object({
  ordinal: z.int().min(0),
  topology: topologyRecord,
  /** Its shape is the business of who uses it; pods of another version may have more in it. */
  manifest: z.looseObject({ name: z.string() }),
  heartbeatMs: z.int().min(1),
});

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
  readonly heartbeatMs: number;
}

function parseHello<T>(schema: z.ZodType<T>, bytes: Buffer): T {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new GuildwayError('LINK_PROTOCOL', 'a HELLO that is not JSON', { cause });
  }
  const result = schema.safeParse(value);
  if (!result.success)
    throw new GuildwayError('LINK_PROTOCOL', `a HELLO of another shape: ${z.prettifyError(result.error)}`);
  return result.data;
}

/** @throws GuildwayError LINK_PROTOCOL */
export const parseClientHello = (payload: Buffer): ClientHello => parseHello(clientHello, payload);

/** @throws GuildwayError LINK_PROTOCOL */
export const parseServerHello = (payload: Buffer): ServerHello =>
  parseHello(serverHello, payload) as unknown as ServerHello;

/** A header that stands there once, else undefined. */
export function single(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}
