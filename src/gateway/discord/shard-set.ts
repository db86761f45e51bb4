import type { Chain } from '../../moving/state.ts';
import type { Logger } from '../../observability/log.ts';
import { type MonotonicTime, monotonicNow } from '../../time.ts';
import type { EventOwnership } from '../discord-seam.ts';
import type { ShardConnections } from './connections.ts';
import type { OwnedGuilds } from './guilds.ts';
import { neededShards } from './needed-shards.ts';
import type { ShardSessions } from './sessions.ts';
import type { Shard } from './shard.ts';

export interface ShardSetOptions {
  readonly ownership: EventOwnership;
  readonly sessions: ShardSessions;
  readonly guilds: OwnedGuilds;
  readonly connections: ShardConnections;
  readonly create: (id: number) => Shard;
  /** Other guilds are to leave, and to come. */
  readonly onTopologies: () => void;
  readonly log: Logger;
}

/**
 * The shards of this pod. It holds those of all topologies from the one in force on, so that the old and the new owner of a guild
 * both receive its events.
 */
export class ShardSet {
  readonly #options: ShardSetOptions;
  #shards: ReadonlyMap<number, Shard> = new Map();
  #chain: Chain;
  #chainSince = monotonicNow();
  /** When the sessions began to connect. Null: they have not. */
  #startedAt: MonotonicTime | null = null;
  /** When READY or RESUMED was last passed on, by shard. */
  readonly #begun = new Map<number, MonotonicTime>();

  constructor(options: ShardSetOptions) {
    this.#options = options;
    this.#chain = options.ownership.chain;
  }

  get(id: number): Shard | undefined {
    return this.#shards.get(id);
  }

  ids(): Iterable<number> {
    return this.#shards.keys();
  }

  values(): Iterable<Shard> {
    return this.#shards.values();
  }

  /** Since when the topologies have been these. */
  get chainSince(): MonotonicTime {
    return this.#chainSince;
  }

  /** Creates the shards, which {@link ShardSet.get} finds from the next {@link start} on. @throws the errors of the store */
  create(count: number): Map<number, Shard> {
    const { ownership, sessions } = this.#options;
    sessions.shardCount = count;
    this.#noteTopologies();
    return new Map(neededShards(this.#chain, ownership.ordinal, count).map((id) => [id, this.#create(id)]));
  }

  start(shards: ReadonlyMap<number, Shard>): void {
    this.#shards = shards;
    this.#startedAt = monotonicNow();
    this.follow();
  }

  /** Takes up shards of a new topology, and leaves those that it no longer needs. */
  follow(): void {
    const { ownership, sessions, connections, log } = this.#options;
    this.#noteTopologies();
    const count = sessions.shardCount;
    if (this.#startedAt === null || count === null) return;
    const needed = new Set(neededShards(this.#chain, ownership.ordinal, count));
    const shards = new Map(this.#shards);
    for (const id of needed) {
      if (shards.has(id)) continue;
      const shard = this.#create(id);
      shards.set(id, shard);
      log.info({ shard: id }, 'guilds of this shard are to come');
    }
    const former = this.#shards;
    this.#shards = shards;
    for (const [id, shard] of shards) if (!former.has(id)) void connections.add(id, shard);
    for (const id of former.keys()) if (!needed.has(id)) this.#leave(id);
  }

  /** A shard's READY or RESUMED is passed on. */
  begun(id: number): void {
    this.#begun.set(id, monotonicNow());
  }

  /**
   * Since when a shard's events come as they happen. Null: they do not, or they are replayed. The library reports that a session is
   * resumed before it passes on the last replayed events.
   */
  currentSince(id: number): MonotonicTime | null {
    const readySince = this.#shards.get(id)?.readySince ?? null;
    const begun = this.#begun.get(id);
    return readySince !== null && begun !== undefined && begun >= readySince ? begun : null;
  }

  /** Since when the events of all shards of the present topologies come as they happen. Null: they do not. */
  get allCurrentSince(): MonotonicTime | null {
    let all = this.#startedAt;
    if (all === null || this.#chain !== this.#options.ownership.chain) return null;
    for (const id of this.#shards.keys()) {
      const since = this.currentSince(id);
      if (since === null) return null;
      if (since > all) all = since;
    }
    return all;
  }

  #noteTopologies(): void {
    const { ownership, onTopologies } = this.#options;
    if (this.#chain === ownership.chain) return;
    this.#chain = ownership.chain;
    this.#chainSince = monotonicNow();
    onTopologies();
  }

  #create(id: number): Shard {
    const { sessions, guilds, create } = this.#options;
    // Reads the store now, because the library cannot handle a session that fails to load.
    sessions.retrieve(id);
    guilds.restore(id);
    return create(id);
  }

  #leave(id: number): void {
    const { sessions, guilds, connections, log } = this.#options;
    const shards = new Map(this.#shards);
    shards.get(id)?.stop();
    shards.delete(id);
    this.#shards = shards;
    log.info({ shard: id }, 'no guild of this shard is left: its session ends');
    connections.remove(id, 'its guilds have moved');
    sessions.end(id);
    guilds.drop(id);
  }
}
