import { setTimeout as delay } from 'node:timers/promises';
import { errorFacts } from '../../observability/error-facts.ts';
import type { Logger } from '../../observability/log.ts';
import { elapsed, type MonotonicTime, monotonicNow } from '../../time.ts';
import type { GuildEvent } from '../discord-seam.ts';
import type { StepMemo } from '../store/ledger.ts';
import type { BesideStore } from './beside-store.ts';
import type { GuildCache } from './guild-cache.ts';

/** Events that are handed over with one commit. */
const BATCH = 500;
/** The wait before another try while the disk refuses writes. */
const RETRY_MS = 500;
/** How long an event waits for the READY of its session. */
const EARLY_MS = 5_000;
/** Discord gives the first response to an interaction 3 s. */
const INTERACTION_LIFE_MS = 2_500;

const STOPPED = 'the pod ends';

/** The bot's side of the feed. */
interface Receiver {
  /** Whether events may be handed over now. */
  readonly mayHandOver: boolean;
  /** Whether a bot has been greeted. */
  readonly isReady: boolean;
  /** @returns false if the bot has just disconnected */
  dispatch(name: string, data: unknown): boolean;
}

export interface EventFeedOptions {
  readonly store: BesideStore;
  readonly guilds: GuildCache;
  readonly receiver: Receiver;
  /** A guild that Discord had listed has arrived. */
  readonly onArrival: () => void;
  readonly log: Logger;
}

interface Waiting {
  readonly event: GuildEvent;
  /** Of an event that another pod received and forwarded; null: it came from this pod's sessions. */
  readonly memo: StepMemo | null;
  readonly since: MonotonicTime;
  readonly done: () => void;
  readonly fail: (error: Error) => void;
}

/**
 * Hands the events of this pod's guilds to the bot: in order, and each once. An event is noted on disk before the bot gets it, in
 * the commit with which the guilds follow it, so a pod that is killed does not hand it over again. While there is no bot, events
 * wait.
 */
export class EventFeed {
  readonly #options: EventFeedOptions;
  readonly #waiting: Waiting[] = [];
  /** By shard: the last event that was handed over. */
  readonly #handed = new Map<number, { readonly sessionId: string; readonly sequence: number } | null>();
  /** By shard: the session that began in this process. Events of an earlier one do not change the guilds any more. */
  readonly #sessions = new Map<number, string>();
  /** Events of sessions that have not begun yet: the library may report the first guilds before READY. */
  readonly #early = new Map<string, PromiseWithResolvers<void>>();
  /** Events that were noted when the bot had just disconnected. */
  #undelivered: GuildEvent[] = [];
  /** Something waits until nothing is being handed over. */
  #holding = false;
  /** Settles when the batch that is being handed over has left. */
  #running: Promise<void> | null = null;
  #soon: NodeJS.Immediate | null = null;
  #stopped = false;

  constructor(options: EventFeedOptions) {
    this.#options = options;
  }

  /** Events that wait for the bot. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Hands over nothing more. Events that wait are rejected: the next process gets them again. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    for (const { fail } of this.#waiting.splice(0)) fail(new Error(STOPPED));
  }

  /**
   * Resolves when the event is handed over.
   * @throws Error when the pod ends first
   * @param memo of an event that another pod received: it is handed over once even if that pod delivers it again
   */
  async take(event: GuildEvent, memo: StepMemo | null = null): Promise<void> {
    if (memo === null) {
      const handed = this.#lastHanded(event.shard);
      if (handed?.sessionId !== event.sessionId) await this.#begun(event.sessionId);
      else if (event.sequence <= handed.sequence) return;
    }
    if (event.name === 'GUILD_CREATE' && event.guildId !== null && this.#options.guilds.isExpected(event.guildId)) {
      await this.#arrive(event, event.guildId);
      return;
    }
    if (this.#stopped) throw new Error(STOPPED);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ event, memo, since: monotonicNow(), done: resolve, fail: reject });
    // Events that arrive together leave with one commit.
    this.#soon ??= setImmediate(() => {
      this.#soon = null;
      this.flush();
    });
    await promise;
  }

  /** Takes the guilds of a new session of a shard. Events of its former session are still handed over. */
  async begin(shard: number, shardCount: number, sessionId: string, guildIds: readonly string[]): Promise<void> {
    const { store, guilds } = this.#options;
    this.#sessions.set(shard, sessionId);
    this.#handed.set(shard, { sessionId, sequence: 0 });
    const written = this.#write(() => {
      guilds.replaceShard(shard, shardCount, guildIds);
      store.noteHanded(shard, sessionId, 0);
    });
    this.#early.get(sessionId)?.resolve();
    this.#early.delete(sessionId);
    await written;
  }

  /** Resolves when a session has begun, or does not begin: an earlier process has noted that it did. */
  #begun(sessionId: string): Promise<void> {
    const known = this.#early.get(sessionId);
    if (known !== undefined) return known.promise;
    const early = Promise.withResolvers<void>();
    this.#early.set(sessionId, early);
    setTimeout(early.resolve, EARLY_MS).unref();
    return early.promise;
  }

  /** Hands over what waits, if it may. */
  flush(): void {
    if (this.#stopped || this.#holding || this.#running !== null || !this.#options.receiver.mayHandOver) return;
    if (this.#undelivered.length > 0) this.#send(this.#undelivered.splice(0));
    if (this.#waiting.length === 0) return;
    this.#running = this.#handOver(this.#waiting.splice(0, BATCH)).finally(() => {
      this.#running = null;
      this.flush();
    });
  }

  /** Runs `work` when nothing is being handed over. */
  async whenQuiet(work: () => void): Promise<void> {
    this.#holding = true;
    await this.#running;
    work();
    this.#holding = false;
    this.flush();
  }

  async #handOver(batch: readonly Waiting[]): Promise<void> {
    const { store, guilds } = this.#options;
    const last = lastOfShards(batch);
    let leaving: readonly Waiting[] = [];
    await this.#write(() => {
      leaving = batch.filter((waiting) => this.#mayLeave(waiting));
      for (const { event, memo } of leaving) {
        const { name, guildId, data, shard, sessionId } = event;
        if (guildId !== null && (memo !== null || this.#isCurrent(shard, sessionId))) {
          guilds.follow(name, guildId, data);
        }
        memo?.write(0, 'null');
      }
      for (const [shard, { sessionId, sequence }] of last) {
        if (this.#isCurrent(shard, sessionId)) store.noteHanded(shard, sessionId, sequence);
      }
    });
    for (const [shard, handed] of last) if (this.#isCurrent(shard, handed.sessionId)) this.#handed.set(shard, handed);
    this.#send(leaving.map(({ event }) => event));
    for (const { done } of batch) done();
  }

  /** Whether no later session of the shard has begun. */
  #isCurrent(shard: number, sessionId: string): boolean {
    const session = this.#sessions.get(shard);
    return session === undefined || session === sessionId;
  }

  #send(events: readonly GuildEvent[]): void {
    for (const event of events) {
      if (!this.#options.receiver.dispatch(event.name, event.data)) this.#undelivered.push(event);
    }
  }

  /** Inside the transaction that notes the event. */
  #mayLeave({ event, memo, since }: Waiting): boolean {
    const { guilds, log } = this.#options;
    if (memo !== null && memo.read(0) !== undefined) return false;
    // READY has shown it already.
    if (event.name === 'GUILD_CREATE' && event.guildId !== null && guilds.guildCreate(event.guildId) !== null) {
      return false;
    }
    if (event.name === 'INTERACTION_CREATE' && elapsed(since) > INTERACTION_LIFE_MS) {
      log.warn({ guild: event.guildId }, 'an interaction is too old for a response: the bot was away');
      return false;
    }
    return true;
  }

  /** A guild that Discord has listed in READY arrives. The bot gets it with its own READY. */
  async #arrive(event: GuildEvent, guildId: string): Promise<void> {
    const { guilds, receiver, onArrival } = this.#options;
    const isNews = guilds.guildCreate(guildId) === null;
    await this.#write(() => guilds.follow(event.name, guildId, event.data));
    // The bot did not wait any longer, and READY listed the guild as unavailable.
    if (isNews && receiver.isReady) receiver.dispatch(event.name, event.data);
    onArrival();
  }

  #lastHanded(shard: number): { readonly sessionId: string; readonly sequence: number } | null {
    let handed = this.#handed.get(shard);
    if (handed === undefined) {
      handed = this.#options.store.handed(shard);
      this.#handed.set(shard, handed);
    }
    return handed;
  }

  /** Tries again until the disk takes it. */
  async #write(work: () => void): Promise<void> {
    for (let isFirst = true; ; isFirst = false) {
      try {
        await this.#options.store.write(work);
        return;
      } catch (error) {
        if (isFirst)
          this.#options.log.error({ err: errorFacts(error) }, 'events for the bot could not be noted; trying again');
        await delay(RETRY_MS, undefined, { ref: false });
      }
    }
  }
}

/** The last event of each shard in a batch, of those that came from this pod's sessions. */
function lastOfShards(batch: readonly Waiting[]): Map<number, { sessionId: string; sequence: number }> {
  const last = new Map<number, { sessionId: string; sequence: number }>();
  for (const { event, memo } of batch) {
    if (memo === null) last.set(event.shard, { sessionId: event.sessionId, sequence: event.sequence });
  }
  return last;
}
