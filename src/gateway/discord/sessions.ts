import type { SessionInfo } from '@discordjs/ws';
import type { SessionStore } from '../discord-seam.ts';
import { Watermark } from './watermark.ts';

/** After so many resumes in a row that Discord did not answer, over all processes, a session is given up. */
export const MAX_FAILED_RESUMES = 3;

interface Shard {
  /** As it would be resumed in this process: every event up to its sequence has been taken. */
  live: SessionInfo | null;
  /** How far the events of `live` have been handled. */
  watermark: Watermark;
  /** The sequence that was stored last. */
  stored: number;
  /** Resumes in a row that Discord did not answer, and how many of them the store knows of. */
  failedResumes: number;
  storedFailedResumes: number;
}

/**
 * The sessions of this pod's shards, in two forms: as taken, for a resume in this process, and as handled, in the store, for a
 * resume in the next one.
 */
export class ShardSessions {
  readonly #store: SessionStore;
  readonly #shards = new Map<number, Shard>();

  constructor(store: SessionStore) {
    this.#store = store;
  }

  /** What to resume, or null to identify. @throws what the store throws, the first time */
  retrieve(shardId: number): SessionInfo | null {
    return this.#shard(shardId).live;
  }

  /** Notes the session that READY began. Its events are noted by `begin` and `skip`. @returns whether it is a new one */
  start(session: SessionInfo): boolean {
    const shard = this.#shard(session.shardId);
    if (shard.live?.sessionId === session.sessionId) return false;
    shard.watermark = new Watermark(session.sequence);
    shard.stored = -1;
    // The store begins to count anew with another session.
    shard.failedResumes = 0;
    shard.storedFailedResumes = 0;
    shard.live = { ...session };
    return true;
  }

  /** Ends the session permanently. @returns whether there was one @throws what the store throws; the session ends anyway */
  end(shardId: number): boolean {
    const shard = this.#shard(shardId);
    if (shard.live === null) return false;
    shard.live = null;
    shard.failedResumes = 0;
    shard.storedFailedResumes = 0;
    this.#store.clear(shardId);
    return true;
  }

  /** Discord has not answered a resume. @returns how often in a row */
  resumeFailed(shardId: number): number {
    return ++this.#shard(shardId).failedResumes;
  }

  resumeSucceeded(shardId: number): void {
    this.#shard(shardId).failedResumes = 0;
  }

  /** From now on the session is to be resumed at this address. */
  resumeAt(shardId: number, resumeURL: string): void {
    const shard = this.#shard(shardId);
    if (shard.live !== null) shard.live = { ...shard.live, resumeURL };
  }

  /** Whether this event was taken already: a connection that was resumed from further back sends it again. */
  has(shardId: number, sequence: number): boolean {
    const { live } = this.#shard(shardId);
    return live !== null && sequence <= live.sequence;
  }

  /** Notes a dispatch that needs no handling. */
  skip(shardId: number, sequence: number): void {
    const { live, watermark } = this.#shard(shardId);
    watermark.skip(sequence);
    if (live !== null && sequence > live.sequence) live.sequence = sequence;
  }

  /** Notes a dispatch that is being handled. @returns what to call when it has been */
  begin(shardId: number, sequence: number): () => void {
    const { live, watermark } = this.#shard(shardId);
    if (live !== null && sequence > live.sequence) live.sequence = sequence;
    return watermark.begin(sequence);
  }

  /** Stores how far the events have been handled and how often resumes failed, where that has changed. @returns whether it had @throws what the store throws */
  persist(): boolean {
    let changed = false;
    for (const [shardId, shard] of this.#shards) {
      const { live, watermark, failedResumes } = shard;
      if (live === null) continue;
      if (failedResumes !== shard.storedFailedResumes) {
        this.#store.writeFailedResumes(shardId, failedResumes);
        shard.storedFailedResumes = failedResumes;
        changed = true;
      }
      if (watermark.handled <= shard.stored) continue;
      const sequence = watermark.handled;
      const { sessionId, resumeURL: resumeUrl, shardCount } = live;
      this.#store.write(shardId, { sessionId, sequence, resumeUrl, shardCount });
      shard.stored = sequence;
      changed = true;
    }
    return changed;
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
        failedResumes: kept?.failedResumes ?? 0,
        storedFailedResumes: kept?.failedResumes ?? 0,
      };
      this.#shards.set(shardId, shard);
    }
    return shard;
  }
}
