import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../observability/log.ts';

/** What `GET /gateway/bot` says of starting sessions. */
export interface SessionStartLimit {
  readonly total: number;
  readonly remaining: number;
  readonly reset_after: number;
  readonly max_concurrency: number;
}

export interface IdentifyGateOptions {
  /** Asks Discord, which counts for all pods. */
  readonly fetchLimit: () => Promise<SessionStartLimit>;
  /** How often one bucket may identify; Discord's is 5 s. */
  readonly intervalMs: number;
  readonly log: Logger;
  readonly now?: () => number;
  readonly sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
}

const sleepFor = async (ms: number, signal?: AbortSignal): Promise<void> => {
  await delay(ms, undefined, signal === undefined ? {} : { signal });
};

/**
 * Hands out identify slots for the whole bot; it lives on pod 0. One identify per bucket (`shard % max_concurrency`) and interval,
 * and never more in a day than Discord allows: exceeding that ends every session and resets the token.
 */
export class IdentifyGate {
  readonly #options: IdentifyGateOptions;
  readonly #now: () => number;
  readonly #sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** Per bucket: the one who is last in line, and when the bucket is free again. */
  readonly #lines = new Map<number, Promise<void>>();
  readonly #freeAt = new Map<number, number>();
  #limit: SessionStartLimit | null = null;
  #grantedSince = 0;

  constructor(options: IdentifyGateOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#sleep = options.sleep ?? sleepFor;
  }

  /** Resolves when this shard may identify. Rejects when aborted, or when Discord cannot be asked for its limits. */
  async acquire(shard: number, signal?: AbortSignal): Promise<void> {
    this.#limit ??= await this.#options.fetchLimit();
    const bucket = shard % this.#limit.max_concurrency;
    const before = this.#lines.get(bucket) ?? Promise.resolve();
    const turn = before.then(() => this.#take(bucket, signal));
    // Who gave up must not hold up those behind.
    this.#lines.set(
      bucket,
      turn.catch(() => {}),
    );
    await turn;
  }

  async #take(bucket: number, signal: AbortSignal | undefined): Promise<void> {
    const waitMs = (this.#freeAt.get(bucket) ?? 0) - this.#now();
    if (waitMs > 0) await this.#sleep(waitMs, signal);
    signal?.throwIfAborted();
    await this.#withinDay(signal);
    this.#grantedSince++;
    this.#freeAt.set(bucket, this.#now() + this.#options.intervalMs);
  }

  async #withinDay(signal: AbortSignal | undefined): Promise<void> {
    while (this.#limit === null || this.#limit.remaining <= this.#grantedSince) {
      this.#limit = await this.#options.fetchLimit();
      this.#grantedSince = 0;
      if (this.#limit.remaining > 0) return;
      const { reset_after: resetMs, total } = this.#limit;
      this.#options.log.error({ total, resetMs }, 'no identifies left today: shards wait until Discord allows more');
      await this.#sleep(Math.min(Math.max(resetMs, 1_000), 60_000), signal);
    }
  }
}
