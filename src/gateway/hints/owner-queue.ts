import { setTimeout as delay } from 'node:timers/promises';
import { fullJitter } from '../../link/backoff.ts';
import { after, type Duration, type MonotonicClock, type MonotonicTime } from '../../time.ts';
import type { HintEntry } from '../store/hints.ts';
import type { HintChannel } from './channel.ts';
import { DeliveryOrder, type Pending } from './delivery-order.ts';

/**
 * The outcome of an attempt.
 * - `done`: the hint has left this queue
 * - `refused`: the owner has certainly not looked at the hint: it is away, or serves nothing
 * - `retry`: the owner has the hint, or may have it
 */
export type AttemptResult =
  | { readonly kind: 'done' | 'refused' }
  | { readonly kind: 'retry'; readonly afterMs: Duration };

export interface OwnerQueueOptions {
  readonly channel: HintChannel;
  readonly ratePerSecond: number;
  /** Sends a hint. Must not reject. */
  readonly attempt: (pending: Pending, channel: HintChannel) => Promise<AttemptResult>;
  /** Called when the queue is empty. It is not used afterwards. */
  readonly onIdle: () => void;
  readonly now: MonotonicClock;
  readonly random: () => number;
}

const TICK_MS = 25;
const MAX_IN_FLIGHT = 256;
/** The interval of checks for an owner that is away. The link adds up to half a second. */
const AWAY_PAUSE_MS = 250;
const MIN_PAUSE_MS = 50;
const PAUSE_BASE_MS = 250;
const PAUSE_CAP_MS = 2_000;

/**
 * The hints for one owner. They wait while the owner is away. When it is back, they are sent at a limited rate, so that live
 * traffic continues. Each guild's hints are sent in order: the next one leaves when the owner has the one before.
 */
export class OwnerQueue {
  readonly #options: OwnerQueueOptions;
  readonly #waiting = new DeliveryOrder();
  readonly #inFlight = new Map<number, Pending>();
  #running = false;
  #stopped = false;
  #refusalsInARow = 0;
  #pausedUntil: MonotonicTime;
  #tokens = 0;
  #refilledAt: MonotonicTime;

  constructor(options: OwnerQueueOptions) {
    this.#options = options;
    this.#pausedUntil = options.now();
    this.#refilledAt = this.#pausedUntil;
  }

  /** All hints of the queue, waiting or in flight. */
  *pending(): Iterable<Pending> {
    yield* this.#inFlight.values();
    yield* this.#waiting;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  isInFlight(id: number): boolean {
    return this.#inFlight.has(id);
  }

  add(pending: Pending): void {
    this.#waiting.add(pending);
    if (!this.#running && !this.#stopped) void this.#run();
  }

  /** Removes a waiting hint. Null if it is not here. */
  remove(entry: Pick<HintEntry, 'id' | 'guildId'>): Pending | null {
    return this.#waiting.remove(entry);
  }

  /** Sends nothing more. Deliveries in flight end on their own. */
  stop(): void {
    this.#stopped = true;
  }

  close(): void {
    this.stop();
    this.#options.channel.close();
  }

  async #run(): Promise<void> {
    const { channel, now, random } = this.#options;
    this.#running = true;
    while (!this.#stopped && this.#waiting.size > 0) {
      let pauseMs = TICK_MS * (0.5 + random());
      try {
        await channel.connect();
        this.#waiting.wake(now());
        this.#startDue();
      } catch {
        pauseMs = AWAY_PAUSE_MS * (0.5 + random());
      }
      await delay(pauseMs, undefined, { ref: false });
    }
    this.#running = false;
    this.#endIfIdle();
  }

  #startDue(): void {
    const now = this.#options.now();
    if (this.#stopped || now < this.#pausedUntil) return;
    this.#refill(now);
    while (this.#tokens >= 1 && this.#inFlight.size < MAX_IN_FLIGHT) {
      const next = this.#waiting.take(now);
      if (next === null) return;
      this.#tokens--;
      void this.#start(next);
    }
  }

  async #start(pending: Pending): Promise<void> {
    const { attempt, channel, now } = this.#options;
    this.#inFlight.set(pending.entry.id, pending);
    const result = await attempt(pending, channel);
    this.#inFlight.delete(pending.entry.id);
    this.#waiting.release(pending);
    if (result.kind === 'refused') {
      this.#pause(now());
      this.add(pending);
      return;
    }
    this.#refusalsInARow = 0;
    if (result.kind === 'retry') {
      pending.reached = true;
      pending.notBefore = after(now(), MIN_PAUSE_MS + result.afterMs);
      this.add(pending);
    }
    this.#startDue();
    this.#endIfIdle();
  }

  /** While the owner serves nothing, it is asked less and less often. */
  #pause(now: MonotonicTime): void {
    const pauseMs = fullJitter(this.#refusalsInARow++, PAUSE_BASE_MS, PAUSE_CAP_MS, this.#options.random);
    this.#pausedUntil = after(now, MIN_PAUSE_MS + pauseMs);
  }

  #refill(now: MonotonicTime): void {
    const { ratePerSecond } = this.#options;
    const burst = Math.max(1, ratePerSecond / 10);
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#refilledAt) * ratePerSecond) / 1_000);
    this.#refilledAt = now;
  }

  #endIfIdle(): void {
    if (this.#running || this.#stopped || this.#waiting.size > 0 || this.#inFlight.size > 0) return;
    this.#stopped = true;
    this.#options.channel.close();
    this.#options.onIdle();
  }
}
