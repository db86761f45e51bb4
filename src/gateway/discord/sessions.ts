import type { SessionInfo } from '@discordjs/ws';
import type { SessionStore } from '../discord-seam.ts';
import { Watermark } from './watermark.ts';

/** After this many consecutive resumes without a response, across restarts, a session is given up. */
export const MAX_FAILED_RESUMES = 3;

interface Shard {
  /** The session as this process would resume it: every event up to its sequence has been taken. */
  live: SessionInfo | null;
  /** How far the events of `live` have been handled. */
  watermark: Watermark;
  /** The last stored sequence. */
  stored: number;
  /** Consecutive resumes that Discord did not answer, and the stored number. */
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

  /** The number of shards of this pod's sessions. Null: unknown yet. */
  shardCount: number | null = null;

  /** Whether an event's session is one that goes on. */
  isLive(sessionId: string): boolean {
    return this.#shards.values().some(({ live }) => live?.sessionId === sessionId);
  }

  /** The session to resume, or null to identify. @throws the errors of the store, on the first call */
  retrieve(shardId: number): SessionInfo | null {
    return this.#shard(shardId).live;
  }

  /** Notes the session that READY started. `begin` and `skip` note its events. @returns whether it is a new session */
  start(session: SessionInfo): boolean {
    const shard = this.#shard(session.shardId);
    if (shard.live?.sessionId === session.sessionId) return false;
    shard.watermark = new Watermark(session.sequence);
    shard.stored = -1;
    // The store starts counting again with another session.
    shard.failedResumes = 0;
    shard.storedFailedResumes = 0;
    shard.live = { ...session };
    return true;
  }

  /** Ends the session for good. @returns whether there was one @throws the errors of the store; the session ends anyway */
  end(shardId: number): boolean {
    const shard = this.#shard(shardId);
    if (shard.live === null) return false;
    shard.live = null;
    shard.failedResumes = 0;
    shard.storedFailedResumes = 0;
    this.#store.clear(shardId);
    return true;
  }

  /** Notes a resume that Discord did not answer. @returns how many in a row */
  resumeFailed(shardId: number): number {
    return ++this.#shard(shardId).failedResumes;
  }

  resumeSucceeded(shardId: number): void {
    this.#shard(shardId).failedResumes = 0;
  }

  /** Sets the address for the next resume. */
  resumeAt(shardId: number, resumeURL: string): void {
    const shard = this.#shard(shardId);
    if (shard.live !== null) shard.live = { ...shard.live, resumeURL };
  }

  /** Whether this event was taken already. A connection that resumes from an earlier sequence delivers it again. */
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

  /** Notes a dispatch that is being handled. @returns a function to call when it is handled */
  begin(shardId: number, sequence: number): () => void {
    const { live, watermark } = this.#shard(shardId);
    if (live !== null && sequence > live.sequence) live.sequence = sequence;
    return watermark.begin(sequence);
  }

  /**
   * Stores changes of the handled sequence and of the failed resumes.
   * @returns whether there were any
   * @throws the errors of the store
   */
  persist(): boolean {
    let changed = false;
    for (const [shardId, shard] of this.#shards) {
      const { live, watermark, failedResumes } = shard;
      if (live === null) continue;
      if (watermark.handled > shard.stored) {
        const sequence = watermark.handled;
        const { sessionId, resumeURL: resumeUrl, shardCount } = live;
        this.#store.write(shardId, { sessionId, sequence, resumeUrl, shardCount });
        shard.stored = sequence;
        changed = true;
      }
      // After the session, because the store resets the count of a new one.
      if (failedResumes !== shard.storedFailedResumes) {
        this.#store.writeFailedResumes(shardId, failedResumes);
        shard.storedFailedResumes = failedResumes;
        changed = true;
      }
    }
    return changed;
  }

  #shard(shardId: number): Shard {
    let shard = this.#shards.get(shardId);
    if (shard === undefined) {
      const stored = this.#store.read(shardId);
      shard = {
        live:
          stored === null
            ? null
            : {
                shardId,
                shardCount: stored.shardCount,
                sessionId: stored.sessionId,
                sequence: stored.sequence,
                resumeURL: stored.resumeUrl,
              },
        watermark: new Watermark(stored?.sequence ?? 0),
        stored: stored?.sequence ?? -1,
        failedResumes: stored?.failedResumes ?? 0,
        storedFailedResumes: stored?.failedResumes ?? 0,
      };
      this.#shards.set(shardId, shard);
    }
    return shard;
  }
}
