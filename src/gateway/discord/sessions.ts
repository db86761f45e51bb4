import type { SessionInfo } from '@discordjs/ws';
import type { SessionStore } from '../discord-seam.ts';
import { Watermark } from './watermark.ts';

interface Shard {
  /** As the connection has it: every event up to its sequence has been received. */
  live: SessionInfo | null;
  /** How far the events of `live` have been handled. */
  watermark: Watermark;
  /** The sequence that was stored last. */
  stored: number;
}

/**
 * The sessions of this pod's shards, in two forms: as received, for a resume in this process, and as handled, in the store, for
 * a resume in the next one.
 */
export class ShardSessions {
  readonly #store: SessionStore;
  readonly #shards = new Map<number, Shard>();

  constructor(store: SessionStore) {
    this.#store = store;
  }

  /** For the library: what to resume, or null to identify. */
  retrieve(shardId: number): SessionInfo | null {
    return this.#shard(shardId).live;
  }

  /** From the library: a new session, one event further, or (null) the end of it. */
  update(shardId: number, session: SessionInfo | null): void {
    const shard = this.#shard(shardId);
    if (session === null) {
      shard.live = null;
      this.#store.clear(shardId);
      return;
    }
    if (shard.live?.sessionId !== session.sessionId) {
      shard.watermark = new Watermark(session.sequence);
      shard.stored = -1;
    }
    shard.live = session;
  }

  /** Notes a dispatch that needs no handling. */
  skip(shardId: number, sequence: number): void {
    this.#shard(shardId).watermark.skip(sequence);
  }

  /** Notes a dispatch that is being handled. @returns what to call when it has been */
  begin(shardId: number, sequence: number): () => void {
    return this.#shard(shardId).watermark.begin(sequence);
  }

  get pending(): number {
    let sum = 0;
    for (const { watermark } of this.#shards.values()) sum += watermark.pending;
    return sum;
  }

  /** Stores how far the events have been handled, where that has changed. @throws what the store throws */
  persist(): void {
    for (const [shardId, shard] of this.#shards) {
      const { live, watermark } = shard;
      if (live === null || watermark.handled <= shard.stored) continue;
      const sequence = watermark.handled;
      const { sessionId, resumeURL: resumeUrl, shardCount } = live;
      this.#store.write(shardId, { sessionId, sequence, resumeUrl, shardCount });
      shard.stored = sequence;
    }
  }

  #shard(shardId: number): Shard {
    let shard = this.#shards.get(shardId);
    if (shard === undefined) {
      const kept = this.#store.read(shardId);
      shard = {
        live:
          kept === null
            ? null
            : {
                shardId,
                shardCount: kept.shardCount,
                sessionId: kept.sessionId,
                sequence: kept.sequence,
                resumeURL: kept.resumeUrl,
              },
        watermark: new Watermark(kept?.sequence ?? 0),
        stored: kept?.sequence ?? -1,
      };
      this.#shards.set(shardId, shard);
    }
    return shard;
  }
}
