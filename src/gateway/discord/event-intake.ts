import type { GatewayDispatchPayload } from 'discord-api-types/v10';
import { GUILDLESS_POD, type Topology } from '../../routing/topology.ts';
import type { DispatchSink, ForwardSink } from '../discord-seam.ts';
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
  readonly topology: Topology;
  readonly owns: (guildId: string) => boolean;
  readonly ordinal: number;
  readonly sessions: ShardSessions;
  readonly guilds: OwnedGuilds;
  readonly dispatch: DispatchSink;
  readonly forward: ForwardSink;
  readonly metrics: () => SessionMetrics;
  /** A shard must disconnect until {@link EventIntake.whenRoomy}. */
  readonly onFull: (shard: number) => void;
}

/** Sees each event first: drops events that another pod receives itself, passes on the others, and tracks which are handled. */
export class EventIntake {
  readonly #guilds: OwnedGuilds;
  readonly #options: EventIntakeOptions;
  readonly #running = new Set<Promise<unknown>>();
  /** Shards that are disconnecting. After an event that was not taken, no later one may be taken. */
  readonly #full = new Set<number>();
  #roomy: PromiseWithResolvers<void> | null = null;

  constructor(options: EventIntakeOptions) {
    this.#options = options;
    this.#guilds = options.guilds;
  }

  /** Events whose handlers have not finished. */
  get pending(): number {
    return this.#running.size;
  }

  /** Notes the guilds of a new session: all of its shard, including unavailable ones. @returns those of this pod */
  onReady(guilds: readonly { readonly id: string }[], shard: number): readonly string[] {
    const own = guilds.map(({ id }) => id).filter((id) => this.#fateOf(id, shard) === 'handle');
    this.#guilds.replace(shard, own);
    return own;
  }

  take(payload: GatewayDispatchPayload, shard: number): void {
    const { sessions, metrics, dispatch, forward, onFull } = this.#options;
    const { t: name, s: sequence } = payload;
    const session = sessions.retrieve(shard);
    if (session === null || this.#full.has(shard)) return;
    if (name === 'READY' || name === 'RESUMED') {
      sessions.skip(shard, sequence);
      return;
    }
    if (sessions.has(shard, sequence)) return;
    const guildId = guildOfDispatch(payload);
    const fate = this.#fateOf(guildId, shard);
    if (fate === 'drop') {
      metrics().dropped.inc();
      sessions.skip(shard, sequence);
      return;
    }
    if (this.#running.size >= MAX_PENDING_EVENTS) {
      this.#full.add(shard);
      onFull(shard);
      return;
    }
    if (fate === 'handle' && guildId !== null) this.#guilds.follow(payload, guildId, shard);
    if (fate === 'handle') metrics().events.inc({ event: name });
    else metrics().forwarded.inc({ event: name });
    const finished = sessions.begin(shard, sequence);
    const sink = fate === 'handle' ? dispatch : forward;
    const { sessionId } = session;
    const end = (): void => {
      this.#running.delete(run);
      if (this.#running.size <= MAX_PENDING_EVENTS / 2) this.#roomy?.resolve();
    };
    // An event that could not be forwarded stays unfinished: the next process gets it again.
    const run = sink({ name, data: payload.d, guildId, shard, sessionId, sequence }).then(() => {
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
    if (this.#running.size <= MAX_PENDING_EVENTS / 2) this.#roomy.resolve();
    await this.#roomy.promise;
    this.#roomy = null;
    this.#full.delete(shard);
  }

  /** Resolves when the handlers of all events that were taken have finished. */
  async finished(): Promise<void> {
    await Promise.all(this.#running);
  }

  /**
   * An event without a guild arrives on shard 0, which every pod holds under md5. Discord also sends some guild events to shard
   * 0. If only one pod holds that shard, it forwards them to the owner.
   */
  #fateOf(guildId: string | null, shard: number): 'handle' | 'forward' | 'drop' {
    const { topology, owns, ordinal } = this.#options;
    if (guildId === null) return ordinal === GUILDLESS_POD && shard === 0 ? 'handle' : 'drop';
    if (owns(guildId)) return 'handle';
    // Under md5 the owner holds every shard and has received the event too.
    return topology.shardsOf(ordinal) === null ? 'drop' : 'forward';
  }
}
