import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../observability/log.ts';
import { after, type Duration, type MonotonicClock, type MonotonicTime, monotonicNow } from '../../time.ts';

/** The session start limit from `GET /gateway/bot`. */
export interface SessionStartLimit {
  readonly total: number;
  readonly remaining: number;
  readonly reset_after: number;
  readonly max_concurrency: number;
}

export interface IdentifyGateOptions {
  /** Asks Discord, which counts the identifies of all pods. */
  readonly fetchLimit: () => Promise<SessionStartLimit>;
  /** The shortest time between two identifies of a bucket. Discord's limit is 5 s. */
  readonly intervalMs: Duration;
  readonly log: Logger;
  /**
   * How long the gate stays closed at first, and after Discord could not be asked, because other pods may have identified on
   * their own until just now. Default 0.
   */
  readonly closedMs?: Duration;
  /** More reasons to wait: the time until an identify may be sent. 0: now. */
  readonly waitMs?: () => Duration;
  /** Called last, before an identify is granted. Rejects to refuse it. */
  readonly confirm?: (shard: number, signal: AbortSignal) => Promise<void>;
  /**
   * Identifies of the day that are reserved for other pods. With a reserve, Discord is asked each time, because other pods use
   * identifies too. Default 0.
   */
  readonly reserve?: number;
  readonly now?: MonotonicClock;
  readonly sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
}

/** After this time an identify has reached Discord, or never will. */
const UNSEEN_MS = 60_000;

const NEVER = new AbortController().signal;

const sleepFor = async (ms: number, signal?: AbortSignal): Promise<void> => {
  await delay(ms, undefined, signal === undefined ? {} : { signal });
};

/**
 * Grants identify slots: on pod 0 for the whole bot, on another pod for itself while pod 0 is away. Each bucket (`shard %
 * max_concurrency`) gets one identify per interval, first come, first served. The daily total stays below Discord's limit:
 * exceeding it ends every session and resets the token.
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
  /** When slots were granted that `#limit` may not include. */
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
    // A waiter that gave up must not delay those behind it.
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
      // The await took time, so the turn may have passed.
      if (this.#waitMs(bucket) > 0) continue;
      if (confirm === undefined) break;
      await confirm(shard, signal ?? NEVER);
      signal?.throwIfAborted();
      if (this.#waitMs(bucket) <= 0 && this.#isLeft()) break;
    }
    // No await between the last check and here, or another bucket would take the same identify.
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

  /** Concurrent calls share one response. */
  async #ask(): Promise<SessionStartLimit> {
    this.#asking ??= this.#options
      .fetchLimit()
      .then((limit) => {
        this.#limit = limit;
        // An identify that was just granted may not be sent yet, so Discord has not counted it.
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
