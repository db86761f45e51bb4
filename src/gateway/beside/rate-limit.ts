import { setTimeout as delay } from 'node:timers/promises';
import { type MonotonicClock, monotonicNow } from '../../time.ts';

const WINDOW_MS = 1_000;

/** Lets through so many requests a second, and has the others wait in line. */
export class RateLimit {
  readonly #perSecond: number;
  readonly #now: MonotonicClock;
  readonly #sleep: (ms: number) => Promise<unknown>;
  /** When the last requests were let through, the oldest first. */
  readonly #passed: number[] = [];
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(perSecond: number, now: MonotonicClock = monotonicNow, sleep: (ms: number) => Promise<unknown> = delay) {
    this.#perSecond = perSecond;
    this.#now = now;
    this.#sleep = sleep;
  }

  /** Requests in line. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Resolves when the next request may be sent. First come, first served. */
  pass(): Promise<void> {
    this.#waiting++;
    const turn = this.#last.then(() => this.#take()).finally(() => this.#waiting--);
    this.#last = turn;
    return turn;
  }

  async #take(): Promise<void> {
    for (;;) {
      const now = this.#now();
      while (this.#passed.length > 0 && now - (this.#passed[0] as number) >= WINDOW_MS) this.#passed.shift();
      if (this.#passed.length < this.#perSecond) {
        this.#passed.push(now);
        return;
      }
      await this.#sleep((this.#passed[0] as number) + WINDOW_MS - now);
    }
  }
}
