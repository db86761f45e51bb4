import { setTimeout as delay } from 'node:timers/promises';
import { fullJitter } from '../../link/backoff.ts';
import { after, type WallClock, type WallTime } from '../../time.ts';
import type { HintEntry } from '../store/hints.ts';
import type { HintChannel } from './channel.ts';
import { LaneQueue, type Pending } from './lane-queue.ts';

/**
 * What became of an attempt.
 * - `done`: the hint is no longer this lane's
 * - `later`: it was certainly not executed; the owner is away or serves nothing
 * - `again`: the owner has it or may have it
 */
export type Attempt = 'done' | 'later' | 'again';

export interface LaneOptions {
  readonly channel: HintChannel;
  readonly ratePerSecond: number;
  /** Sends one hint; must not reject. */
  readonly attempt: (pending: Pending, channel: HintChannel) => Promise<Attempt>;
  /** Called when nothing is left; the lane is not used after it. */
  readonly onIdle: () => void;
  readonly now: WallClock;
  readonly random: () => number;
}

const TICK_MS = 25;
const MAX_IN_FLIGHT = 256;
/** Between looks for an owner that is away; the link itself waits up to half a second more. */
const AWAY_PAUSE_MS = 250;
const MIN_PAUSE_MS = 50;
const PAUSE_CAP_MS = 2_000;
const RETRY_BASE_MS = 250;
/** A user waits for a deferred answer; a webhook that fails for days is not worth a try every few seconds. */
const RETRY_CAP_MS = 5_000;
const PATIENT_RETRY_CAP_MS = 60_000;

/**
 * The hints for one owner. While it is away they wait; when it is back they go out at a bounded rate, so that live traffic is
 * served beside them, and in order for each guild: the next one leaves when the one before it has reached its owner.
 */
export class Lane {
  readonly #options: LaneOptions;
  readonly #queue = new LaneQueue();
  readonly #inFlight = new Map<number, Pending>();
  #running = false;
  #stopped = false;
  #failuresInARow = 0;
  #pausedUntil = 0;
  #tokens = 0;
  #refilledAt: WallTime;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#refilledAt = options.now();
  }

  /** Everything in it, waiting or on its way. */
  *pending(): Iterable<Pending> {
    yield* this.#inFlight.values();
    yield* this.#queue;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  isInFlight(id: number): boolean {
    return this.#inFlight.has(id);
  }

  add(pending: Pending): void {
    this.#queue.add(pending);
    if (!this.#running && !this.#stopped) void this.#run();
  }

  /** Takes a waiting hint out. */
  remove(entry: Pick<HintEntry, 'id' | 'guildId'>): void {
    this.#queue.remove(entry);
  }

  /** Sends nothing more; what is in flight ends by itself. */
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
    while (!this.#stopped && this.#queue.size > 0) {
      let pauseMs = TICK_MS * (0.5 + random());
      try {
        await channel.connect();
        this.#queue.wake(now());
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
      const next = this.#queue.take(now);
      if (next === null) return;
      this.#tokens--;
      void this.#start(next);
    }
  }

  async #start(pending: Pending): Promise<void> {
    const { attempt, channel, now, random } = this.#options;
    this.#inFlight.set(pending.entry.id, pending);
    const outcome = await attempt(pending, channel);
    this.#inFlight.delete(pending.entry.id);
    this.#queue.release(pending);
    if (outcome === 'later') {
      this.#pause(now());
      this.add(pending);
      return;
    }
    this.#failuresInARow = 0;
    if (outcome === 'again') {
      pending.reached = true;
      const capMs = pending.entry.deferred === 0 ? PATIENT_RETRY_CAP_MS : RETRY_CAP_MS;
      pending.notBefore = after(now(), MIN_PAUSE_MS + fullJitter(pending.attempts++, RETRY_BASE_MS, capMs, random));
      this.add(pending);
    }
    this.#startDue();
    this.#endIfIdle();
  }

  /** As long as the owner serves nothing it is asked less and less often. */
  #pause(now: WallTime): void {
    this.#pausedUntil =
      now + MIN_PAUSE_MS + fullJitter(this.#failuresInARow++, RETRY_BASE_MS, PAUSE_CAP_MS, this.#options.random);
  }

  #refill(now: WallTime): void {
    const { ratePerSecond } = this.#options;
    const burst = Math.max(1, ratePerSecond / 10);
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#refilledAt) * ratePerSecond) / 1_000);
    this.#refilledAt = now;
  }

  #endIfIdle(): void {
    if (this.#running || this.#stopped || this.#queue.size > 0 || this.#inFlight.size > 0) return;
    this.#stopped = true;
    this.#options.channel.close();
    this.#options.onIdle();
  }
}
