import type { Logger } from '../../observability/log.ts';
import { discordShard } from '../../routing/discord-shards.ts';
import { type Duration, type MonotonicClock, type MonotonicTime, monotonicNow } from '../../time.ts';
import type {
  EventOwnership,
  EventStart,
  GuildEvent,
  HandledEvent,
  HandledEventStore,
  OfferedEvents,
} from '../discord-seam.ts';
import { eventHash } from './event-hash.ts';
import type { ShardSessions } from './sessions.ts';

/**
 * How long events of a guild that is to come are held. The old owner has handled older ones, even if its connection was dead for as
 * long as it takes to notice that.
 */
export const HELD_MS: Duration = 60_000;
/** The most events that are held for guilds that are to come. Then older ones are dropped, as if they were too old. */
export const MAX_HELD_EVENTS = 10_000;

export interface EventTransitOptions {
  readonly ownership: EventOwnership;
  readonly handled: HandledEventStore;
  readonly sessions: ShardSessions;
  /** How far apart two sessions may receive the same event. */
  readonly skewMs: Duration;
  /** Handles an event that was held. */
  readonly handle: (event: HeldEvent) => void;
  /** Forwards an event that was held and that the new owner does not receive itself. */
  readonly forward: (event: HeldEvent) => void;
  readonly log: Logger;
  readonly now?: MonotonicClock;
}

export interface HeldEvent {
  readonly event: GuildEvent;
  /** The new owner does not receive it from Discord. */
  readonly isStray: boolean;
  /** Its session may go on without it. */
  readonly finished: () => void;
}

interface Held extends HeldEvent {
  readonly since: MonotonicTime;
}

/**
 * The events of guilds that move. The old and the new owner receive each of them, in sessions of their own. The old owner records
 * what it handles of guilds that are to leave; the record moves with the guild. The new owner holds what it receives. When the guild
 * has come, it handles what is not in the record.
 */
export class EventTransit {
  readonly #options: EventTransitOptions;
  readonly #now: MonotonicClock;
  readonly #held = new Map<string, Held[]>();
  #count = 0;
  /** Guilds with held events that may have stayed. */
  readonly #leaving = new Set<string>();
  /** Guilds that other owners have handled events of lately, with what they handled once it was needed. */
  readonly #lists = new Map<string, Map<string, HandledEvent[]> | null>();
  /** By guild and session: the first event that this pod handles. */
  readonly #starts = new Map<string, Map<string, number>>();
  #recordingSince: MonotonicTime;

  constructor(options: EventTransitOptions) {
    this.#options = options;
    this.#now = options.now ?? monotonicNow;
    for (const guildId of options.handled.listed()) this.#lists.set(guildId, null);
    for (const { guildId, sessionId, sequence } of options.handled.starts()) {
      const starts = this.#starts.get(guildId) ?? new Map<string, number>();
      this.#starts.set(guildId, starts.set(sessionId, sequence));
    }
    this.#recordingSince = this.#now();
  }

  get held(): number {
    return this.#count;
  }

  /** Since when everything that is handled of guilds that are to leave is recorded. */
  get recordingSince(): MonotonicTime {
    return this.#recordingSince;
  }

  /** Other guilds are to leave, and to come. */
  topologyChanged(): void {
    this.#recordingSince = this.#now();
    this.settleAll();
  }

  hold(held: HeldEvent): void {
    const guildId = guildOf(held);
    const queue = this.#held.get(guildId) ?? [];
    this.#held.set(guildId, queue);
    queue.push({ ...held, since: this.#now() });
    if (this.#options.ownership.eventsOf(guildId) === 'leaving') this.#leaving.add(guildId);
    this.#count++;
    if (this.#count > MAX_HELD_EVENTS) this.#dropAwaited(HELD_MS / 2);
    if (this.#count > MAX_HELD_EVENTS) this.#dropAwaited(0);
  }

  /** Whether an event of a guild of this pod has been handled already, here or by an earlier owner. */
  isHandled({ guildId, sessionId, sequence, name, data }: GuildEvent): boolean {
    if (guildId === null) return false;
    if (this.isBeforeStart(guildId, sessionId, sequence)) return true;
    const list = this.#listOf(guildId);
    if (list === null) return false;
    const same = list.get(eventHash(name, data));
    if (same === undefined) return false;
    const isMatch = ({ matchedSession, matchedSequence }: HandledEvent): boolean =>
      matchedSession === sessionId && matchedSequence === sequence;
    if (same.some(isMatch)) return true;
    const free = same.findIndex(({ matchedSession }) => matchedSession === null);
    if (free === -1) return false;
    const handled = same[free] as HandledEvent;
    same[free] = { ...handled, matchedSession: sessionId, matchedSequence: sequence };
    this.#store(() => this.#options.handled.match(guildId, handled, sessionId, sequence));
    return true;
  }

  /** Whether an event is of before the guild came here: a session that resumes may deliver it again. */
  isBeforeStart(guildId: string, sessionId: string, sequence: number): boolean {
    if (this.#starts.size === 0) return false;
    return sequence < (this.#starts.get(guildId)?.get(sessionId) ?? 0);
  }

  /** Call it before an event of a guild of this pod is handled. */
  noteHandled({ guildId, sessionId, sequence, name, data }: GuildEvent): void {
    const { ownership, handled } = this.#options;
    if (guildId === null || !ownership.isMoving || ownership.willOwn(guildId)) return;
    this.#store(() => handled.record(guildId, sessionId, sequence, eventHash(name, data)));
  }

  /** Why guilds cannot be taken now, or null. */
  refusal(guildIds: readonly string[], { recordedMs }: OfferedEvents): string | null {
    // The old owner may have handled what is older without a record. It handles all of it, because it goes on serving.
    const before = this.#now() - (recordedMs - this.#options.skewMs);
    let dropped = 0;
    for (const guildId of guildIds) dropped += this.#dropBefore(guildId, before);
    return dropped === 0 ? null : 'the old owner has not recorded for long enough which events it has handled';
  }

  /** Guilds are being imported. Inside the transaction. */
  imported(guildIds: readonly string[]): void {
    const starts = guildIds.flatMap((guildId) => this.#startsOf(guildId));
    for (const guildId of guildIds) this.#lists.set(guildId, null);
    this.#options.handled.imported(guildIds, starts);
  }

  /** Handles, forwards or drops what is held of a guild, if it is decided who owns it. */
  settle(guildId: string): void {
    const queue = this.#held.get(guildId);
    if (queue === undefined) return;
    const { ownership, handle, forward } = this.#options;
    const fate = ownership.eventsOf(guildId);
    if (fate === 'leaving' || fate === 'arriving') return;
    this.#leaving.delete(guildId);
    if (fate === 'awaited') {
      this.#dropBefore(guildId, this.#now() - HELD_MS);
      return;
    }
    this.#held.delete(guildId);
    this.#count -= queue.length;
    for (const held of queue) {
      if (fate === 'mine') {
        if (this.isHandled(held.event)) held.finished();
        else handle(held);
      } else if (held.isStray) forward(held);
      else held.finished();
    }
  }

  /** Guilds that were leaving may be this pod's again. */
  settleLeaving(): void {
    for (const guildId of [...this.#leaving]) this.settle(guildId);
  }

  settleAll(): void {
    for (const guildId of [...this.#held.keys()]) this.settle(guildId);
    if (this.#options.ownership.isMoving) return;
    for (const [guildId, list] of this.#lists) {
      if (list !== null && this.#options.handled.listOf(guildId).length === 0) this.#lists.delete(guildId);
    }
  }

  /** The next process does not need the events of guilds that have not come: it holds anew. */
  dropAwaited(): void {
    this.#dropAwaited(0);
  }

  #dropAwaited(olderThanMs: Duration): void {
    for (const guildId of [...this.#held.keys()]) {
      if (this.#options.ownership.eventsOf(guildId) === 'awaited')
        this.#dropBefore(guildId, olderThanMs === 0 ? Number.POSITIVE_INFINITY : this.#now() - olderThanMs);
    }
  }

  /** Drops what is held since before a moment. @returns how many */
  #dropBefore(guildId: string, moment: number): number {
    const queue = this.#held.get(guildId);
    if (queue === undefined || (queue[0]?.since ?? moment) >= moment) return 0;
    const left = queue.filter(({ since }) => since >= moment);
    if (left.length === 0) this.#held.delete(guildId);
    else this.#held.set(guildId, left);
    for (const { since, finished } of queue) if (since < moment) finished();
    this.#count -= queue.length - left.length;
    return queue.length - left.length;
  }

  /** Where the events of a guild begin that this pod handles, in the sessions that deliver them. */
  #startsOf(guildId: string): EventStart[] {
    const { sessions } = this.#options;
    const count = sessions.shardCount;
    const shards = new Set([0, ...(count === null ? [] : [discordShard(guildId, count)])]);
    return [...shards].flatMap((shard) => {
      const session = sessions.retrieve(shard);
      if (session === null) return [];
      const { sessionId } = session;
      const first = this.#held.get(guildId)?.find(({ event }) => event.sessionId === sessionId);
      return [{ guildId, sessionId, sequence: first?.event.sequence ?? session.sequence + 1 }];
    });
  }

  #listOf(guildId: string): Map<string, HandledEvent[]> | null {
    const known = this.#lists.get(guildId);
    if (known !== null) return known ?? null;
    const { handled, sessions } = this.#options;
    // What this pod has recorded itself is for the next owner.
    const foreign = handled.listOf(guildId).filter(({ sessionId }) => !sessions.isLive(sessionId));
    const list = Map.groupBy(foreign, ({ hash }) => hash);
    this.#lists.set(guildId, list);
    return list;
  }

  /** If the disk refuses, what is recorded has a gap. */
  #store(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#recordingSince = this.#now();
      this.#options.log.error({ err: error }, 'cannot record which events of a moving guild were handled');
    }
  }
}

const guildOf = ({ event }: HeldEvent): string => event.guildId as string;
