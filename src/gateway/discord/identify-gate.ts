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
  /**
   * How long the gate stays closed at first, and after Discord could not be asked: other pods may have identified without it until a
   * moment ago. Default 0.
   */
  readonly closedMs?: Duration;
  /** Further reasons to wait: how long until an identify may be sent; 0 when it may now. */
  readonly waitMs?: () => Duration;
  /** Asked last of all, before an identify is allowed; rejects to refuse it. */
  readonly confirm?: (shard: number, signal: AbortSignal) => Promise<void>;
  /** Identifies of the day that are left to others. With a reserve, Discord is asked each time: others take them as well. Default 0. */
  readonly reserve?: number;
  readonly now?: MonotonicClock;
  readonly sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
}

/** After this an identify has reached Discord, if it ever does. */
const UNSEEN_MS = 60_000;

const NEVER = new AbortController().signal;

const sleepFor = async (ms: number, signal?: AbortSignal): Promise<void> => {
  await delay(ms, undefined, signal === undefined ? {} : { signal });
};

/**
 * Hands out identify slots: on pod 0 for the whole bot, on another pod for itself while pod 0 is away. One identify per bucket (`shard % max_concurrency`) and interval,
 * first come first served, and never more in a day than Discord allows: exceeding that ends every session and resets the token.
 */
export class IdentifyGate {
  readonly #options: IdentifyGateOptions;
  readonly #now: MonotonicClock;
  readonly #sleep: (ms: Duration, signal?: AbortSignal) => Promise<void>;
  /** Per bucket: the last waiter in the queue, and when the bucket is free again. */
  readonly #lines = new Map<number, Promise<void>>();
  readonly #freeAt = new Map<number, MonotonicTime>();
  #limit: SessionStartLimit | null = null;
  #closedUntil: MonotonicTime;
  /** When slots were taken that `#limit` may not know of. */
  #taken: MonotonicTime[] = [];
  #asking: Promise<SessionStartLimit> | null = null;

  constructor(options: IdentifyGateOptions) {
    this.#options = options;
    this.#now = options.now ?? monotonicNow;
    this.#sleep = options.sleep ?? sleepFor;
    this.#closedUntil = after(this.#now(), options.closedMs ?? 0);
  }

  /** Resolves when this shard may identify. Rejects at once when aborted, and when Discord cannot be asked for its limits. */
  async acquire(shard: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const { max_concurrency: buckets } = this.#limit ?? (await this.#ask());
    signal?.throwIfAborted();
    const bucket = shard % buckets;
    const before = this.#lines.get(bucket) ?? Promise.resolve();
    const turn = before.then(() => this.#take(shard, bucket, signal));
    // Who gave up must not hold up those behind.
    this.#lines.set(
      bucket,
      turn.catch(() => {}),
    );
    await (signal === undefined ? turn : orAborted(turn, signal));
  }

  async #take(shard: number, bucket: number, signal: AbortSignal | undefined): Promise<void> {
    const { intervalMs, confirm, reserve = 0 } = this.#options;
    for (;;) {
      await this.#untilOpen(bucket, signal);
      if (reserve > 0) await this.#ask();
      while (!this.#isLeft()) await this.#untilAllowed(signal);
      // What was awaited took time: it may not be its turn any more.
      if (this.#waitMs(bucket) > 0) continue;
      if (confirm === undefined) break;
      await confirm(shard, signal ?? NEVER);
      signal?.throwIfAborted();
      if (this.#waitMs(bucket) <= 0 && this.#isLeft()) break;
    }
    // Nothing is awaited between the last look and here: another bucket would take the same identify.
    this.#taken.push(this.#now());
    this.#freeAt.set(bucket, after(this.#now(), intervalMs));
  }

  async #untilOpen(bucket: number, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    for (let waitMs = this.#waitMs(bucket); waitMs > 0; waitMs = this.#waitMs(bucket))
      await this.#sleep(waitMs, signal);
  }

  #waitMs(bucket: number): Duration {
    const openAt = Math.max(this.#closedUntil, this.#freeAt.get(bucket) ?? Number.NEGATIVE_INFINITY);
    return Math.max(openAt - this.#now(), this.#options.waitMs?.() ?? 0);
  }

  /** Whether one of the day's identifies is left. */
  #isLeft(): boolean {
    const { reserve = 0 } = this.#options;
    return this.#limit !== null && this.#limit.remaining - this.#taken.length > reserve;
  }

  async #untilAllowed(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const { reset_after: resetMs, total } = await this.#ask();
    signal?.throwIfAborted();
    if (this.#isLeft()) return;
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
      .catch((error: unknown) => {
        this.#closedUntil = after(this.#now(), this.#options.closedMs ?? 0);
        throw error;
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
