import type { GatewayDispatchPayload } from 'discord-api-types/v10';
import type { Logger } from '../../observability/log.ts';
import { discordShard } from '../../routing/discord-shards.ts';
import { GUILDLESS_POD } from '../../routing/topology.ts';
import type { Duration, MonotonicClock } from '../../time.ts';
import type { DispatchSink, EventOwnership, ForwardSink, GuildEvent, HandledEventStore } from '../discord-seam.ts';
import type { EventFate } from '../moving/guild-ownership.ts';
import { EventTransit } from './event-transit.ts';
import { guildOfDispatch, type OwnedGuilds } from './guilds.ts';
import type { SessionMetrics } from './metrics.ts';
import type { ShardSessions } from './sessions.ts';

/**
 * The most unfinished events in this pod, over all shards. A shard that delivers one more is disconnected until half of them
 * are done. Discord keeps later events and sends them on the resume, as long as it keeps the session (minutes). Without the
 * limit, a bot with a slow database would run out of memory.
 */
export const MAX_PENDING_EVENTS = 10_000;

export interface EventIntakeOptions {
  readonly ownership: EventOwnership;
  readonly handled: HandledEventStore;
  /** How far apart two sessions may receive the same event. */
  readonly skewMs: Duration;
  readonly sessions: ShardSessions;
  readonly guilds: OwnedGuilds;
  readonly dispatch: DispatchSink;
  readonly forward: ForwardSink;
  readonly metrics: () => SessionMetrics;
  /** A shard must disconnect until {@link EventIntake.whenRoomy}. */
  readonly onFull: (shard: number) => void;
  readonly log: Logger;
  readonly now?: MonotonicClock;
}

/** Sees each event first: drops events that another pod receives itself, passes on the others, and tracks which are handled. */
export class EventIntake {
  /** Holds events of guilds that move. */
  readonly transit: EventTransit;
  readonly #guilds: OwnedGuilds;
  readonly #options: EventIntakeOptions;
  readonly #running = new Set<Promise<unknown>>();
  /** Shards that are disconnecting. After an event that was not taken, no later one may be taken. */
  readonly #full = new Set<number>();
  #roomy: PromiseWithResolvers<void> | null = null;
  /** Guilds of other pods that a session listed, and that are to come here. True: Discord has yet to send the guild itself. */
  readonly #listed = new Map<string, boolean>();

  constructor(options: EventIntakeOptions) {
    this.#options = options;
    this.#guilds = options.guilds;
    const { ownership, handled, sessions, skewMs, log, now } = options;
    this.transit = new EventTransit({
      ...{ ownership, handled, sessions, skewMs, log, ...(now === undefined ? {} : { now }) },
      handle: ({ event, finished }) => this.#handle({ ...event, wasHeld: true }, finished),
      forward: ({ event, finished }) => this.#pass(event, finished, options.forward),
    });
  }

  /** Events whose handlers have not finished. */
  get pending(): number {
    return this.#running.size + this.transit.held;
  }

  /** Notes the guilds of a new session: all of its shard, including unavailable ones. @returns those of this pod */
  onReady(guilds: readonly { readonly id: string }[], shard: number): readonly string[] {
    const own: string[] = [];
    for (const { id } of guilds) {
      const fate = this.#options.ownership.eventsOf(id);
      if (fate === 'mine' || fate === 'leaving') own.push(id);
      else if (fate !== 'elsewhere') this.#listed.set(id, true);
    }
    this.#guilds.replace(shard, own);
    return own;
  }

  /** Guilds have come, and are this pod's from now on. */
  arrived(guildIds: readonly string[]): void {
    for (const guildId of guildIds) {
      this.#guilds.arrived(guildId, this.#shardOf(guildId), this.#listed.has(guildId));
      this.#listed.delete(guildId);
      this.transit.settle(guildId);
    }
  }

  /** Guilds have been given away. */
  left(guildIds: readonly string[]): void {
    for (const guildId of guildIds) {
      this.#guilds.left(guildId);
      this.transit.settle(guildId);
    }
  }

  /** @param isReplayed the session is being resumed, and this is from before */
  take(payload: GatewayDispatchPayload, shard: number, isReplayed = false): void {
    const { sessions, metrics, forward, onFull } = this.#options;
    const { t: name, s: sequence } = payload;
    const session = sessions.retrieve(shard);
    if (session === null || this.#full.has(shard)) return;
    if (name === 'READY' || name === 'RESUMED') {
      sessions.skip(shard, sequence);
      return;
    }
    if (sessions.has(shard, sequence)) return;
    const guildId = guildOfDispatch(payload);
    const { sessionId } = session;
    const event: GuildEvent = { name, data: payload.d, guildId, shard, sessionId, sequence };
    // What was held before it comes first.
    if (guildId !== null) this.transit.settle(guildId);
    const fate = this.#fateOf(event, isReplayed);
    if (fate === 'drop') {
      metrics().dropped.inc();
      sessions.skip(shard, sequence);
      return;
    }
    if (this.pending >= MAX_PENDING_EVENTS) {
      this.#full.add(shard);
      onFull(shard);
      return;
    }
    const finished = sessions.begin(shard, sequence);
    if (fate === 'hold') this.transit.hold({ event, finished, isStray: this.#isStray(event) });
    else if (fate === 'handle') this.#handle(event, finished);
    else this.#pass(event, finished, forward);
  }

  #handle(event: GuildEvent, finished: () => void): void {
    const { metrics, dispatch } = this.#options;
    const { name, guildId, shard } = event;
    if (guildId !== null) {
      this.#guilds.follow(event, guildId, shard);
      if (!this.#isStray(event)) this.transit.noteHandled(event);
    }
    metrics().events.inc({ event: name });
    this.#run(event, finished, dispatch);
  }

  #pass(event: GuildEvent, finished: () => void, forward: ForwardSink): void {
    this.#options.metrics().forwarded.inc({ event: event.name });
    this.#run(event, finished, forward);
  }

  #run(event: GuildEvent, finished: () => void, sink: DispatchSink): void {
    const end = (): void => {
      this.#running.delete(run);
      if (this.pending <= MAX_PENDING_EVENTS / 2) this.#roomy?.resolve();
    };
    // An event that could not be forwarded stays unfinished: the next process gets it again.
    const run = sink(event).then(() => {
      finished();
      end();
    }, end);
    this.#running.add(run);
  }

  /** Whether this shard is disconnecting. */
  isFull(shard: number): boolean {
    return this.#full.has(shard);
  }

  /** Resolves when a disconnected shard may connect again. */
  async whenRoomy(shard: number): Promise<void> {
    if (!this.#full.has(shard)) return;
    this.#roomy ??= Promise.withResolvers();
    if (this.pending <= MAX_PENDING_EVENTS / 2) this.#roomy.resolve();
    await this.#roomy.promise;
    this.#roomy = null;
    this.#full.delete(shard);
  }

  /** Resolves when the handlers of all events that were taken have finished. */
  async finished(): Promise<void> {
    await Promise.all(this.#running);
  }

  #fateOf(event: GuildEvent, isReplayed: boolean): 'handle' | 'forward' | 'drop' | 'hold' {
    const { ownership } = this.#options;
    const { guildId, shard, sessionId, sequence } = event;
    // It arrives on shard 0, which every pod holds under md5.
    if (guildId === null) return ownership.ordinal === GUILDLESS_POD && shard === 0 ? 'handle' : 'drop';
    const fate = ownership.eventsOf(guildId);
    if (fate === 'mine') return this.transit.isHandled(event) ? 'drop' : 'handle';
    if (fate === 'leaving') return 'hold';
    if (this.#isStray(event)) return 'forward';
    return this.#isToHold(event, fate, isReplayed) && !this.transit.isBeforeStart(guildId, sessionId, sequence)
      ? 'hold'
      : 'drop';
  }

  #isToHold({ name, guildId }: GuildEvent, fate: EventFate, isReplayed: boolean): boolean {
    // Its owner has handled what came while this pod was disconnected.
    if (fate === 'elsewhere' || (fate === 'awaited' && isReplayed)) return false;
    if (name !== 'GUILD_CREATE' || this.#listed.get(guildId as string) !== true) return true;
    // The session begins with its guilds. For the guild, nothing has happened.
    this.#listed.set(guildId as string, false);
    return false;
  }

  /**
   * Discord also sends some events of a guild to shard 0. If only one pod holds that shard, it forwards them to the owner, who does not
   * receive them. Under md5, every pod holds every shard.
   */
  #isStray({ guildId, shard }: Pick<GuildEvent, 'guildId' | 'shard'>): boolean {
    const { ownership, sessions } = this.#options;
    const count = sessions.shardCount;
    if (guildId === null || count === null || ownership.chain.some(({ shards }) => shards !== count)) return false;
    return discordShard(guildId, count) !== shard;
  }

  #shardOf(guildId: string): number {
    return discordShard(guildId, this.#options.sessions.shardCount ?? 1);
  }
}
