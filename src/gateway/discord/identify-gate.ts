import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../observability/log.ts';
import { after, type Duration, type MonotonicClock, type MonotonicTime, monotonicNow } from '../../time.ts';

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
  readonly intervalMs: Duration;
  readonly log: Logger;
  readonly now?: MonotonicClock;
  readonly sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
}

/** After this an identify has reached Discord, if it ever does. */
const UNSEEN_MS = 60_000;

const sleepFor = async (ms: number, signal?: AbortSignal): Promise<void> => {
  await delay(ms, undefined, signal === undefined ? {} : { signal });
};

/**
 * Hands out identify slots for the whole bot; it lives on pod 0. One identify per bucket (`shard % max_concurrency`) and interval,
 * first come first served, and never more in a day than Discord allows: exceeding that ends every session and resets the token.
 */
export class IdentifyGate {
  readonly #options: IdentifyGateOptions;
  readonly #now: MonotonicClock;
  readonly #sleep: (ms: Duration, signal?: AbortSignal) => Promise<void>;
  /** Per bucket: the one who is last in line, and when the bucket is free again. */
  readonly #lines = new Map<number, Promise<void>>();
  readonly #freeAt = new Map<number, MonotonicTime>();
  #limit: SessionStartLimit | null = null;
  /** When slots were taken that `#limit` may not know of. */
  #taken: MonotonicTime[] = [];
  #asking: Promise<SessionStartLimit> | null = null;

  constructor(options: IdentifyGateOptions) {
    this.#options = options;
    this.#now = options.now ?? monotonicNow;
    this.#sleep = options.sleep ?? sleepFor;
  }

  /** Resolves when this shard may identify. Rejects at once when aborted, and when Discord cannot be asked for its limits. */
  async acquire(shard: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const { max_concurrency: buckets } = this.#limit ?? (await this.#ask());
    signal?.throwIfAborted();
    const bucket = shard % buckets;
    const before = this.#lines.get(bucket) ?? Promise.resolve();
    const turn = before.then(() => this.#take(bucket, signal));
    // Who gave up must not hold up those behind.
    this.#lines.set(
      bucket,
      turn.catch(() => {}),
    );
    await (signal === undefined ? turn : orAborted(turn, signal));
  }

  async #take(bucket: number, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const waitMs = (this.#freeAt.get(bucket) ?? Number.NEGATIVE_INFINITY) - this.#now();
    if (waitMs > 0) await this.#sleep(waitMs, signal);
    while (!this.#grant()) await this.#untilAllowed(signal);
    this.#freeAt.set(bucket, after(this.#now(), this.#options.intervalMs));
  }

  /** Takes one of the day's identifies, if one is left. */
  #grant(): boolean {
    if (this.#limit === null || this.#taken.length >= this.#limit.remaining) return false;
    this.#taken.push(this.#now());
    return true;
  }

  async #untilAllowed(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const { remaining, reset_after: resetMs, total } = await this.#ask();
    signal?.throwIfAborted();
    if (remaining > this.#taken.length) return;
    this.#options.log.error({ total, resetMs }, 'no identifies left today: shards wait until Discord allows more');
    await this.#sleep(Math.min(Math.max(resetMs, 1_000), 60_000), signal);
  }

  /** All that ask at the same time share one answer. */
  async #ask(): Promise<SessionStartLimit> {
    this.#asking ??= this.#options
      .fetchLimit()
      .then((limit) => {
        this.#limit = limit;
        // Whoever took one just now may not have sent it yet: Discord has not counted it.
        this.#taken = this.#taken.filter((at) => this.#now() - at < UNSEEN_MS);
        return limit;
      })
      .finally(() => {
        this.#asking = null;
      });
    return this.#asking;
  }
}

/** Like `promise`, but rejects as soon as `signal` aborts. */
async function orAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
