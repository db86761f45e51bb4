import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { errorCode } from '../../errors.ts';
import { newest, ownerByTopology } from '../../moving/authority.ts';
import { beginParcel, offerParcel, offerServed, shrinkParcel, undoParcel } from '../../moving/old-owner.ts';
import type { Attempt } from '../../moving/state.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import type { Logger } from '../../observability/log.ts';
import { ThrottledLog } from '../../observability/throttled-log.ts';
import { elapsed, type MonotonicTime, monotonicNow } from '../../time.ts';
import type { OfferedEvents } from '../discord-seam.ts';
import type { GuildMover } from '../store/moving/guild-mover.ts';
import type { GuildSize } from '../store/moving/sizes.ts';
import type { Candidates } from './candidates.ts';
import type { OutgoingCopies } from './copies.ts';
import type { Courier } from './courier.ts';
import type { LivePart, Reply } from './envelope.ts';
import type { GuildActivity } from './guild-activity.ts';
import type { GuildOwnership } from './guild-ownership.ts';
import type { MoveMetrics } from './metrics.ts';

export interface GiverOptions {
  readonly incarnation: number;
  readonly ownership: GuildOwnership;
  readonly candidates: Candidates;
  readonly activity: GuildActivity;
  readonly mover: GuildMover;
  readonly copies: OutgoingCopies;
  readonly courier: Courier;
  /** Rows of a guild. It looks at `limit` rows of each table at most. */
  readonly sizeOf: (guildId: string, limit: number) => Readonly<GuildSize>;
  /** What an offer says about events. `holding` is as of now; null: nothing can be offered now. */
  readonly offeredTo: (owner: number) => OfferedEvents | null;
  /** Takes the messages of a reply. */
  readonly receive: (from: number, reply: Reply) => Promise<void>;
  readonly metrics: MoveMetrics;
  readonly log: Logger;
}

/** A batch is no larger, so that its guilds wait some milliseconds only. */
const BATCH_GUILDS = 32;
const BATCH_ROWS = 250;
const BATCH_BYTES = 128 * 1024;
/** A guild with more is copied while it is served. */
const LARGE_ROWS = 2_500;
const LARGE_BYTES = 512 * 1024;
/** How long a guild waits for its running handlers before it is served again. It doubles with each try. */
const PATIENCE_MS = 20;
const LONGEST_PATIENCE_MS = 1_000;
/** Bytes of one part of a large guild. */
const PART_BYTES = 1024 * 1024;
/** The last changes of a large guild are sent when those before them were this few bytes, or after so many rounds. */
const FEW_BYTES = 64 * 1024;
const MOST_ROUNDS = 8;

/**
 * - `given`: all of them
 * - `some`: others stay, such as guilds whose handlers run; the next guilds may try
 * - `stop`: the new owner takes none, or this pod cannot give any away at present
 */
type Outcome = 'given' | 'some' | 'stop';

/** Gives guilds away: pauses them, copies them, and hands them to their new owners. */
export class Giver {
  readonly #options: GiverOptions;
  /** By new owner: the guilds of the next batch. It grows while batches succeed. */
  readonly #batch = new Map<number, number>();
  readonly #throttled: ThrottledLog;
  #counter = 0;

  constructor(options: GiverOptions) {
    this.#options = options;
    this.#throttled = new ThrottledLog(options.log);
  }

  /** Gives one batch to a new owner. @returns false: there is none, or the new owner takes none; try again later */
  async giveSome(owner: number): Promise<boolean> {
    const { candidates, sizeOf } = this.#options;
    const most = Math.min(BATCH_GUILDS, this.#batch.get(owner) ?? 1);
    const total = { rows: 0, bytes: 0 };
    const guilds = candidates.take(owner, most, (guild, isFirst) => {
      const { rows, bytes } = sizeOf(guild, LARGE_ROWS + 1);
      const fits = isFirst || (total.rows + rows <= BATCH_ROWS && total.bytes + bytes <= BATCH_BYTES);
      if (fits) [total.rows, total.bytes] = [total.rows + rows, total.bytes + bytes];
      return fits;
    });
    const [first] = guilds;
    if (first === undefined) return false;
    const isLarge = total.rows > LARGE_ROWS || total.bytes > LARGE_BYTES;
    const given = isLarge ? await this.#giveLarge(owner, first) : await this.#give(owner, guilds);
    this.#batch.set(owner, { given: most * 2, some: most, stop: 1 }[given]);
    return given !== 'stop';
  }

  async #give(owner: number, guilds: readonly string[]): Promise<Outcome> {
    const { candidates } = this.#options;
    // Their rows may change all the time: the next copy is made while they wait.
    const isRetry = guilds.some((guild) => candidates.triesOf(guild) > 0);
    const attempt = this.#nextAttempt();
    try {
      return isRetry ? await this.#givePaused(owner, attempt, guilds) : await this.#giveServed(owner, attempt, guilds);
    } catch (error) {
      return this.#failed(owner, guilds, error);
    } finally {
      this.#end(attempt, guilds);
    }
  }

  /** Copies guilds while they are served. They wait only while they are given away, if their rows are still those of the copy. */
  async #giveServed(owner: number, attempt: Attempt, guilds: readonly string[]): Promise<Outcome> {
    const { ownership, mover, copies, courier } = this.#options;
    const events = this.#options.offeredTo(owner);
    const chunks = mover.copyGuilds(guilds);
    copies.keep(attempt, { compressed: mover.compressed(chunks) });
    const { message } = offerServed(ownership.state, attempt, guilds, ownerByTopology);
    const { epoch } = newest(ownership.state);
    const reply = await courier.send(owner, message, chunks, { events });
    if (reply === null || reply.refused !== null) return this.#stayed(owner, guilds, reply);
    if (newest(ownership.state).epoch !== epoch) return 'stop';
    const startedAt = monotonicNow();
    const quiet = await this.#pause(attempt, guilds);
    return this.#conclude(owner, quiet, reply, startedAt, sum(chunks));
  }

  async #givePaused(owner: number, attempt: Attempt, guilds: readonly string[]): Promise<Outcome> {
    const { ownership, mover, copies, courier } = this.#options;
    const startedAt = monotonicNow();
    const events = this.#options.offeredTo(owner);
    const quiet = await this.#pause(attempt, guilds);
    const [offer] = offerParcel(ownership.state, attempt).sends;
    if (quiet.length === 0 || offer === undefined) return 'some';
    const chunks = mover.copyGuilds(quiet);
    copies.keep(attempt, { compressed: mover.compressed(chunks) });
    const reply = await courier.send(owner, offer.message, chunks, { guildsWait: true, events });
    return this.#conclude(owner, quiet, reply, startedAt, sum(chunks));
  }

  /** A large guild is served while it is copied, and waits for its last changes only. */
  async #giveLarge(owner: number, guild: string): Promise<Outcome> {
    const { ownership, mover, copies, courier } = this.#options;
    const attempt = this.#nextAttempt();
    const live = mover.copyLive(guild);
    let bytes = 0;
    try {
      let part = 0;
      const send = async (chunks: readonly Buffer[]): Promise<boolean> => {
        const reply = await courier.send(owner, { guild, attempt, part: part++ } satisfies LivePart, chunks);
        bytes += sum(chunks);
        if (reply?.refused === null) return true;
        this.#stayed(owner, [guild], reply);
        return false;
      };
      for await (const chunks of parts(live.base())) if (!(await send(chunks))) return 'stop';
      for (let round = 0; round < MOST_ROUNDS; round++) {
        const changes = live.changes(false);
        if (!(await send(changes))) return 'stop';
        if (sum(changes) < FEW_BYTES) break;
      }
      const startedAt = monotonicNow();
      const events = this.#options.offeredTo(owner);
      const quiet = await this.#pause(attempt, [guild]);
      const [offer] = offerParcel(ownership.state, attempt).sends;
      if (quiet.length === 0 || offer === undefined) return 'some';
      const last = live.changes(true);
      copies.keep(attempt, { live });
      const reply = await courier.send(owner, offer.message, last, { guildsWait: true, events });
      return await this.#conclude(owner, quiet, reply, startedAt, bytes + sum(last));
    } catch (error) {
      return this.#failed(owner, [guild], error);
    } finally {
      this.#end(attempt, [guild]);
      live[Symbol.dispose]();
    }
  }

  /** From now on requests of these guilds wait. @returns those that no handler runs for; the others are served again */
  async #pause(attempt: Attempt, guilds: readonly string[]): Promise<readonly string[]> {
    const { ownership, activity, candidates, metrics } = this.#options;
    ownership.commit(beginParcel(ownership.state, attempt, guilds, ownerByTopology));
    if (!guilds.some((guild) => activity.isBusy(guild))) return guilds;
    const tries = Math.max(...guilds.map((guild) => candidates.triesOf(guild)));
    const patience = new AbortController();
    const patienceMs = Math.min(LONGEST_PATIENCE_MS, PATIENCE_MS * 2 ** tries);
    const timer = delay(patienceMs, undefined, { signal: patience.signal, ref: false }).catch(() => {});
    await Promise.race([activity.idle(guilds), timer]);
    patience.abort();
    const busy = new Set(guilds.filter((guild) => activity.isBusy(guild)));
    if (busy.size > 0) {
      ownership.commit(shrinkParcel(ownership.state, attempt, busy));
      candidates.postpone(busy, 'its handlers are running');
      metrics.failed('busy', busy.size);
    }
    return guilds.filter((guild) => !busy.has(guild));
  }

  /** Takes the answer to an offer. */
  async #conclude(
    owner: number,
    guilds: readonly string[],
    reply: Reply | null,
    startedAt: MonotonicTime,
    bytes: number,
  ): Promise<Outcome> {
    const { ownership, candidates, receive, metrics } = this.#options;
    if (reply !== null) await receive(owner, reply);
    const { records } = ownership.state;
    const isGiven = (guild: string): boolean => records.get(guild)?.state === 'moved';
    const given = guilds.filter(isGiven);
    candidates.moved(given);
    if (given.length > 0) {
      const seconds = elapsed(startedAt) / 1_000;
      for (let i = 0; i < given.length; i++) metrics.pauseSeconds.observe(seconds);
      metrics.moved.inc(given.length);
      metrics.movedBytes.inc(bytes);
    }
    const stayed = guilds.filter((guild) => !isGiven(guild));
    return stayed.length === 0 ? 'given' : this.#stayed(owner, stayed, reply);
  }

  #stayed(owner: number, guilds: readonly string[], reply: Reply | null): Outcome {
    const { candidates, metrics } = this.#options;
    const why = reply?.refused ?? `gateway-${owner} does not answer or does not take them yet`;
    candidates.postpone(guilds, why);
    metrics.failed(reply === null ? 'no-answer' : 'refused', guilds.length);
    const facts = { owner, guilds: guilds.length, example: guilds[0], why };
    this.#throttled.warn(facts, 'guilds stay here for now; trying again');
    return 'stop';
  }

  #failed(owner: number, guilds: readonly string[], error: unknown): Outcome {
    const { candidates, metrics, log } = this.#options;
    const outdated = errorCode(error) === 'MOVE_OUTDATED';
    candidates.postpone(guilds, (error as Error).message);
    metrics.failed(outdated ? 'outdated' : 'error', guilds.length);
    if (outdated) log.debug({ owner, guilds }, 'rows of guilds changed while they were about to move; trying again');
    else log.error({ owner, guilds: guilds.length, err: errorFacts(error) }, 'guilds could not be given away');
    return outdated ? 'some' : 'stop';
  }

  /** Whatever is left of an attempt is served again. */
  #end(attempt: Attempt, guilds: readonly string[]): void {
    const { ownership, copies } = this.#options;
    copies.drop(attempt);
    ownership.handedOver(guilds);
    ownership.commit(undoParcel(ownership.state, attempt));
  }

  #nextAttempt(): Attempt {
    return [this.#options.incarnation, ++this.#counter];
  }
}

/** Chunks in parts of bounded size, as the rest of the process goes on. */
async function* parts(chunks: Iterable<Buffer>): AsyncIterable<readonly Buffer[]> {
  let part: Buffer[] = [];
  for (const chunk of chunks) {
    part.push(chunk);
    if (sum(part) >= PART_BYTES) {
      yield part;
      part = [];
    }
    await nextTurn();
  }
  if (part.length > 0) yield part;
}

const sum = (chunks: readonly Uint8Array[]): number => chunks.reduce((bytes, { length }) => bytes + length, 0);
