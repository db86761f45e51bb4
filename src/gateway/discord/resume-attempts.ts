import type { Duration } from '../../time.ts';

/** After so many resumes in a row without an answer, the session is given up and a new one is started. */
export const MAX_RESUMES = 3;

interface Attempts {
  /** In a row. */
  failed: number;
  /** Waits for the answer to the one under way; null: none is. */
  timer: NodeJS.Timeout | null;
}

/**
 * Counts resumes that Discord does not answer: it closes the connection without saying that the session is over, drops it, or sends
 * nothing but heartbeats. The library would resume such a session for ever. Any dispatch is an answer.
 */
export class ResumeAttempts {
  readonly #answerMs: Duration;
  readonly #onSilence: (shard: number) => void;
  readonly #shards = new Map<number, Attempts>();

  /** @param options.onSilence Discord has not answered in time; it leaves the connection, which then counts as failed */
  constructor(options: { answerMs: Duration; onSilence: (shard: number) => void }) {
    this.#answerMs = options.answerMs;
    this.#onSilence = options.onSilence;
  }

  /** How many have failed in a row. */
  failed(shard: number): number {
    return this.#shards.get(shard)?.failed ?? 0;
  }

  /** A resume is about to be sent. */
  begin(shard: number): void {
    const attempts = this.#shards.get(shard) ?? { failed: 0, timer: null };
    this.#shards.set(shard, attempts);
    if (attempts.timer !== null) clearTimeout(attempts.timer);
    attempts.timer = setTimeout(() => this.#onSilence(shard), this.#answerMs).unref();
  }

  answered(shard: number): void {
    const attempts = this.#shards.get(shard);
    if (attempts === undefined) return;
    if (attempts.timer !== null) clearTimeout(attempts.timer);
    this.#shards.delete(shard);
  }

  /** The connection has ended. @returns how many resumes have failed in a row */
  closed(shard: number): number {
    const attempts = this.#shards.get(shard);
    if (attempts === undefined || attempts.timer === null) return 0;
    clearTimeout(attempts.timer);
    attempts.timer = null;
    return ++attempts.failed;
  }

  /** Waits for nothing any more. */
  close(): void {
    for (const { timer } of this.#shards.values()) if (timer !== null) clearTimeout(timer);
  }
}
