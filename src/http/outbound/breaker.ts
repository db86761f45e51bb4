import { type Duration, type MonotonicClock, type MonotonicTime, monotonicNow } from '../../time.ts';

export type BreakerState = 'closed' | 'open' | 'half-open';

/**
 * Stops asking a pod that has failed several times in a row. After a pause one request is let through as a probe; if it succeeds
 * the breaker closes, else the pause starts again.
 */
export class Breaker {
  readonly #failures: number;
  readonly #openMs: Duration;
  readonly #now: MonotonicClock;
  #inARow = 0;
  #openedAt: MonotonicTime | null = null;
  #probing = false;

  constructor(options: { failures: number; openMs: Duration; now?: MonotonicClock }) {
    this.#failures = options.failures;
    this.#openMs = options.openMs;
    this.#now = options.now ?? monotonicNow;
  }

  get state(): BreakerState {
    if (this.#openedAt === null) return 'closed';
    return this.#now() - this.#openedAt >= this.#openMs ? 'half-open' : 'open';
  }

  /** Whether every request may pass: what most requests ask, without a clock. */
  get closed(): boolean {
    return this.#openedAt === null;
  }

  /** Milliseconds until a probe is let through; 0 when one is, or has been. */
  get pauseMs(): number {
    return this.#openedAt === null ? 0 : Math.max(0, this.#openedAt + this.#openMs - this.#now());
  }

  /** Whether a request may be sent now. A true in `half-open` is the probe: report its outcome. */
  tryPass(): boolean {
    if (this.#openedAt === null) return true;
    if (this.#probing || this.#now() - this.#openedAt < this.#openMs) return false;
    this.#probing = true;
    return true;
  }

  succeeded(): void {
    this.#inARow = 0;
    this.#openedAt = null;
    this.#probing = false;
  }

  failed(): void {
    this.#inARow++;
    if (this.#openedAt !== null || this.#inARow >= this.#failures) this.#openedAt = this.#now();
    this.#probing = false;
  }

  /** The outcome says nothing about the pod, such as a caller that went away: a probe may be tried again. */
  undecided(): void {
    this.#probing = false;
  }
}
