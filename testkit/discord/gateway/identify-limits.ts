import type { Clock } from '../clock.ts';

/** An identify from a client. */
export interface IdentifyEntry {
  /** Unix milliseconds. */
  readonly at: number;
  readonly shard: number;
  readonly numShards: number;
  /** `shard % max_concurrency`. */
  readonly bucket: number;
  readonly outcome: 'accepted' | 'bucket' | 'day';
}

const DAY_MS = 86_400_000;
/** Network jitter: identifies with the correct spacing may arrive this much closer together. */
const TOLERANCE_MS = 100;
const KEPT = 5000;

interface LimitOptions {
  readonly clock: Clock;
  readonly maxConcurrency: number;
  readonly windowMs: number;
  /** Identifies per day. */
  readonly total: number;
}

/** Limits identifies to one per bucket and window, and to a total per day. Resumes do not count. */
export class IdentifyLimits {
  readonly #options: LimitOptions;
  readonly #lastByBucket = new Map<number, number>();
  readonly #log: IdentifyEntry[] = [];
  #used = 0;
  #dayEndsAt = 0;

  constructor(options: LimitOptions) {
    this.#options = options;
  }

  /** @param monotonicMs `performance.now()` */
  identify(shard: number, numShards: number, monotonicMs: number): IdentifyEntry['outcome'] {
    const { clock, maxConcurrency, windowMs, total } = this.#options;
    const now = clock.now();
    if (now >= this.#dayEndsAt) {
      this.#dayEndsAt = now + DAY_MS;
      this.#used = 0;
    }
    const bucket = shard % maxConcurrency;
    const last = this.#lastByBucket.get(bucket) ?? Number.NEGATIVE_INFINITY;
    let outcome: IdentifyEntry['outcome'] = 'accepted';
    if (this.#used >= total) outcome = 'day';
    else if (monotonicMs - last < windowMs - TOLERANCE_MS) outcome = 'bucket';
    this.#used++;
    if (outcome === 'accepted') this.#lastByBucket.set(bucket, monotonicMs);
    if (this.#log.length >= KEPT) this.#log.shift();
    this.#log.push({ at: now, shard, numShards, bucket, outcome });
    return outcome;
  }

  /** The most recent identifies, oldest first. */
  log(): readonly IdentifyEntry[] {
    return [...this.#log];
  }

  startLimit(): { total: number; remaining: number; resetAfterMs: number } {
    const { clock, total } = this.#options;
    const left = this.#dayEndsAt - clock.now();
    if (left <= 0) return { total, remaining: total, resetAfterMs: DAY_MS };
    return { total, remaining: Math.max(0, total - this.#used), resetAfterMs: left };
  }
}
