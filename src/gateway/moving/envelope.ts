import { GuildwayError } from '../../errors.ts';
import { parseTopology } from '../../link/handshake.ts';
import type { Message } from '../../moving/messages.ts';
import type { Attempt } from '../../moving/state.ts';
import { isCount, isJsonObject } from '../../protocol/json-values.ts';
import { isSnowflake } from '../../routing/snowflake.ts';
import type { OfferedEvents } from '../discord-seam.ts';

/** A part of a large guild, which its owner serves meanwhile. */
export interface LivePart {
  readonly guild: string;
  readonly attempt: Attempt;
  /** Parts are numbered from 0, so that a repeated one is recognized. */
  readonly part: number;
}

/** What one gateway pod sends to another: a message of the protocol, or a part of a large guild, with chunks of rows. */
export interface Envelope {
  readonly from: number;
  /** Identifies the process that sends. */
  readonly process: string;
  readonly content: Message | LivePart;
  readonly chunks: readonly Uint8Array[];
  /** With an offer, if this pod receives Discord's events. */
  readonly events?: OfferedEvents | null;
}

/** The answer to an envelope. */
export interface Reply {
  readonly process: string;
  readonly messages: readonly Message[];
  /** Why the rows cannot be taken as things are, as a sentence; null if nothing was refused. */
  readonly refused: string | null;
  /** The pod has no rows and has not joined the others: it holds nothing. */
  readonly isEmpty?: boolean;
  /** What the events of guilds that are to come are held under; null: they are not, so no guild can come. */
  readonly holding?: string | null;
}

const VERSION = 1;
const KINDS: ReadonlySet<unknown> = new Set<Message['kind']>([
  ...([
    'offer',
    'stored',
    'given',
    'active',
    'lost',
    'gone',
    'ask',
    'kept',
    'elsewhere',
    'news',
    'recover',
    'held',
  ] as const),
]);

export const isLivePart = (content: Message | LivePart): content is LivePart => 'part' in content;

/** A length of four bytes and a JSON text, then each chunk with its length. */
export function encodeEnvelope({ from, process, content, chunks, events = null }: Envelope): Buffer {
  const head = Buffer.from(JSON.stringify({ version: VERSION, from, process, content, events }));
  return Buffer.concat([head, ...chunks].flatMap((part) => [lengthOf(part), part]));
}

/** @throws GuildwayError REQUEST_INVALID */
export function decodeEnvelope(bytes: Buffer): Envelope {
  const parts = [...partsOf(bytes)];
  const head = parseJson(parts[0]);
  if (!isJsonObject(head) || head.version !== VERSION)
    throw invalid(`its version is not ${VERSION}: run the same version on all gateway pods`);
  const { from, process, content, events = null } = head;
  if (!isCount(from) || typeof process !== 'string' || !isJsonObject(content)) throw invalid('its head');
  if (!isLive(content) && !isMessage(content)) throw invalid('its message');
  if (events !== null && !isOfferedEvents(events)) throw invalid('its events');
  return { from, process, content: content as unknown as Envelope['content'], chunks: parts.slice(1), events };
}

export const encodeReply = (reply: Reply): Buffer => Buffer.from(JSON.stringify(reply));

/** @throws GuildwayError REQUEST_INVALID */
export function decodeReply(bytes: Buffer): Reply {
  const value = parseJson(bytes);
  const isReply =
    isJsonObject(value) &&
    typeof value.process === 'string' &&
    Array.isArray(value.messages) &&
    value.messages.every(isMessage) &&
    (value.refused === null || typeof value.refused === 'string') &&
    (value.holding === undefined || value.holding === null || typeof value.holding === 'string');
  if (!isReply) throw invalid('its reply');
  return value as unknown as Reply;
}

function* partsOf(bytes: Buffer): Iterable<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    if (at + 4 > bytes.length) throw invalid('it ends early');
    const length = bytes.readUInt32BE(at);
    if (at + 4 + length > bytes.length) throw invalid('it ends early');
    yield bytes.subarray(at + 4, at + 4 + length);
    at += 4 + length;
  }
}

function lengthOf(part: Uint8Array): Buffer {
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32BE(part.length);
  return length;
}

function parseJson(bytes: Buffer | undefined): unknown {
  try {
    return JSON.parse(bytes?.toString('utf8') ?? '');
  } catch {
    throw invalid('it is not JSON');
  }
}

const isLive = ({ guild, attempt, part }: Record<string, unknown>): boolean =>
  isSnowflake(guild) && isAttempt(attempt) && isCount(part);

/** Checks what the protocol relies on. The sender is a pod that has proved that it holds LINK_SECRET. */
function isMessage(value: unknown): boolean {
  if (!isJsonObject(value) || !KINDS.has(value.kind)) return false;
  const { kind, epoch, attempt, guilds, gave, news } = value;
  if (kind === 'recover') return true;
  if (kind === 'news') return isNews(news);
  if (kind === 'elsewhere') return isHeld(guilds);
  if (kind === 'held') return isNews(news) && isHeld(guilds) && isHeld(gave);
  if (!isCount(epoch) || !Array.isArray(guilds) || !guilds.every(isSnowflake)) return false;
  const hasAttempt = kind === 'offer' || kind === 'stored' || kind === 'given';
  return !hasAttempt || isAttempt(attempt);
}

const isHeld = (value: unknown): boolean =>
  Array.isArray(value) && value.every((held) => isJsonObject(held) && isSnowflake(held.guild) && isCount(held.epoch));

const isNews = (value: unknown): boolean =>
  isJsonObject(value) &&
  Array.isArray(value.chain) &&
  value.chain.length > 0 &&
  value.chain.every(isTopology) &&
  value.chain.every(({ epoch }, at, chain) => at === 0 || epoch > chain[at - 1].epoch) &&
  Array.isArray(value.done) &&
  value.done.every((done) => Array.isArray(done) && done.length === 2 && done.every(isCount));

/** A topology that cannot exist must not reach the disk: every later start would fail on it. */
function isTopology(value: unknown): boolean {
  try {
    parseTopology(value, 'a topology');
    return true;
  } catch {
    return false;
  }
}

const isOfferedEvents = (value: unknown): value is OfferedEvents =>
  isJsonObject(value) && typeof value.holding === 'string' && typeof value.recordedMs === 'number';

const isAttempt = (value: unknown): boolean => Array.isArray(value) && value.length === 2 && value.every(isCount);

const invalid = (what: string): GuildwayError =>
  new GuildwayError('REQUEST_INVALID', `a message about moving guilds is malformed: ${what}`);
