import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import type { RoutingStrategy } from '../../src/public-routing.ts';
import { topologyOf } from '../harness/routing.ts';
import type { Shot } from './connection.ts';

/** The requests of the generator, as the README describes them. */
export interface ShotOptions {
  /** `scattered-get` builds each request when it is sent, in a scattered order of guilds, for more guilds than any cache holds. */
  readonly kind: 'guild-get' | 'scattered-get' | 'interaction' | 'upload' | 'mixed';
  /** The number of guilds. */
  readonly guilds: number;
  /** The number of gateway pods and the routing. With `checkOwner`, each response must come from the guild's owner. */
  readonly pods: number;
  readonly routing: RoutingStrategy;
  readonly checkOwner: boolean;
  /** Ed25519 seed, hex, for signing interactions. */
  readonly seed: string;
  /** The ordinal of the absent pod. Any error is correct for its guilds. */
  readonly away: number | null;
}

const HOST = 'bench.example';
const AGENT = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0';
const INTERACTIONS = 2_000;
const UPLOAD_BYTES = 64 * 1024;
const SIGNED_BYTES = 900;
/** In the mixed workload, one request in this many is a write. */
const WRITE_EVERY = 4;

const YEAR_MS = 31_536_000_000;

/**
 * Guild ids in Discord's form, with milliseconds since 2015 in the upper bits. They are spread over the years from 2016 on and are
 * the same in every run.
 */
function guildId(index: number): string {
  const ms = BigInt(YEAR_MS + Math.floor(((index + 1) * 0.618_033_988_749_895 * 9 * YEAR_MS) % (9 * YEAR_MS)));
  return String((ms << 22n) | BigInt(index % 4_194_304));
}

/** The published rule, computed directly, or the owners by Discord's shards. */
function ownersOf({ routing, pods }: Pick<ShotOptions, 'routing' | 'pods'>): (guild: string) => number {
  if (routing === 'discord-shard') return topologyOf(routing, pods).ownerOf;
  return (guild) => createHash('md5').update(guild).digest().readUInt32BE(0) % pods;
}

/** Functions that return the next request, in an endless loop. */
export interface Shots {
  readonly live: () => Shot;
  /** Requests for guilds of the absent pod, if there is one. */
  readonly away: (() => Shot) | null;
}

/** Prepares the requests. */
export function createShots(options: ShotOptions): Shots {
  if (options.kind === 'scattered-get') return { live: scatteredGets(options), away: null };
  const shots = options.kind === 'interaction' ? interactions(options) : requests(options);
  const away = shots.filter(({ status }) => status === 'error');
  return {
    live: roundRobin(shots.filter(({ status }) => status !== 'error')),
    away: away.length === 0 ? null : roundRobin(away),
  };
}

function roundRobin(shots: readonly Shot[]): () => Shot {
  let at = 0;
  return () => {
    const shot = shots[at] as Shot;
    at = at + 1 === shots.length ? 0 : at + 1;
    return shot;
  };
}

function head(line: string, headers: readonly string[]): string {
  return `${line} HTTP/1.1\r\nHost: ${HOST}\r\n${headers.join('\r\n')}\r\n\r\n`;
}

function requests(options: ShotOptions): Shot[] {
  const upload = chunked(Buffer.alloc(UPLOAD_BYTES, 'guildway '));
  const ownerOf = ownersOf(options);
  return Array.from({ length: options.guilds }, (_, index) => {
    const guild = guildId(index);
    const owner = ownerOf(guild);
    const away = owner === options.away;
    const expect = options.checkOwner && !away ? `"pod":${owner},` : null;
    const status = away ? 'error' : 200;
    if (options.kind === 'upload') {
      const text = head(`POST /api/guilds/${guild}/upload`, [
        `User-Agent: ${AGENT}`,
        'Content-Type: application/octet-stream',
        'Transfer-Encoding: chunked',
      ]);
      return { bytes: Buffer.concat([Buffer.from(text), upload]), expect: null, status };
    }
    if (options.kind === 'mixed' && index % WRITE_EVERY === 0) {
      const body = JSON.stringify({ user: '80351110224678912', note: 'wrote in the wrong channel, was told kindly' });
      const text = head(`POST /api/guilds/${guild}/notes`, [
        `User-Agent: ${AGENT}`,
        'Content-Type: application/json',
        `Content-Length: ${body.length}`,
      ]);
      return { bytes: Buffer.from(text + body), expect, status };
    }
    return { bytes: Buffer.from(get(guild)), expect, status };
  });
}

function get(guild: string): string {
  return head(`GET /api/guilds/${guild}/activity`, [
    `User-Agent: ${AGENT}`,
    'Accept: application/json',
    'Accept-Language: en-GB,en;q=0.7',
    'Accept-Encoding: gzip, deflate, br',
  ]);
}

/** GETs of many guilds in a scattered order. The owner of one in sixteen is checked. */
function scatteredGets(options: ShotOptions): () => Shot {
  const ownerOf = ownersOf(options);
  let index = 0;
  let count = 0;
  return () => {
    // A step that shares no factor with the number of guilds visits each before any twice.
    index = (index + 7_919) % options.guilds;
    const guild = guildId(index);
    const checked = options.checkOwner && count++ % 16 === 0;
    return { bytes: get(guild), expect: checked ? `"pod":${ownerOf(guild)},` : null, status: 200 };
  };
}

function chunked(body: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; at += 16_384) {
    const part = body.subarray(at, at + 16_384);
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'));
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}

/** A slash command as Discord sends it, with its signature. */
export interface SignedInteraction {
  readonly guild: string;
  readonly body: Buffer;
  /** 128 hexadecimal digits. */
  readonly signature: string;
  readonly timestamp: string;
}

/** Signed slash commands of 900 bytes, one for each guild, with unique ids. */
export function signedInteractions(seed: string, count: number, guilds = count): SignedInteraction[] {
  const key = privateKey(seed);
  const timestamp = String(Math.floor(Date.now() / 1000));
  const now = BigInt(Date.now()) - 1_420_070_400_000n;
  return Array.from({ length: count }, (_, index) => {
    const guild = guildId(index % guilds);
    const body = Buffer.from(interaction(String((now << 22n) | BigInt(index)), guild));
    const signature = sign(null, Buffer.concat([Buffer.from(timestamp), body]), key).toString('hex');
    return { guild, body, signature, timestamp };
  });
}

function interactions(options: ShotOptions): Shot[] {
  const { seed, guilds, checkOwner } = options;
  const ownerOf = ownersOf(options);
  return signedInteractions(seed, Math.max(guilds, INTERACTIONS), guilds).map(
    ({ guild, body, signature, timestamp }) => {
      const text = head('POST /webhooks/discord', [
        'User-Agent: Discord-Interactions/1.0 (+https://discord.com)',
        'Content-Type: application/json',
        `X-Signature-Ed25519: ${signature}`,
        `X-Signature-Timestamp: ${timestamp}`,
        `Content-Length: ${body.length}`,
      ]);
      const expect = checkOwner ? `pod ${ownerOf(guild)}"` : null;
      return { bytes: Buffer.concat([Buffer.from(text), body]), expect, status: 200 };
    },
  );
}

/** A `/warn` in a guild, with Discord's fields in Discord's order, padded to 900 bytes. */
function interaction(id: string, guild: string): string {
  const value = {
    app_permissions: '562949953601536',
    application_id: '1100000000000000000',
    authorizing_integration_owners: { '0': guild },
    channel: { id: '1100000000000000002', type: 0 },
    channel_id: '1100000000000000002',
    context: 0,
    data: { id: '1100000000000000003', name: 'warn', options: [{ name: 'reason', type: 3, value: '' }], type: 1 },
    entitlements: [],
    guild: { features: [], id: guild, locale: 'en-GB' },
    guild_id: guild,
    guild_locale: 'en-GB',
    id,
    locale: 'en-GB',
    member: {
      permissions: '562949953601536',
      roles: ['1100000000000000004'],
      user: { id: '80351110224678912', username: 'nelly', discriminator: '0', avatar: null },
    },
    token: Buffer.from(`interaction:${id}:${'x'.repeat(110)}`).toString('base64'),
    type: 2,
    version: 1,
  };
  const missing = SIGNED_BYTES - JSON.stringify(value).length;
  (value.data.options[0] as { value: string }).value = 'Off topic, again. '.repeat(60).slice(0, Math.max(0, missing));
  return JSON.stringify(value);
}

/** The fixed prefix of an Ed25519 private key in DER. The 32 bytes of the seed follow. */
const PRIVATE_DER = '302e020100300506032b657004220420';

function privateKey(seed: string): KeyObject {
  return createPrivateKey({ key: Buffer.from(PRIVATE_DER + seed, 'hex'), format: 'der', type: 'pkcs8' });
}

/** The public key for a seed, both in hex. */
export function publicKeyOf(seed: string): string {
  const der = createPublicKey(privateKey(seed)).export({ format: 'der', type: 'spki' });
  return der.subarray(-32).toString('hex');
}
