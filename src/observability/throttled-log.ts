import { type MonotonicClock, type MonotonicTime, monotonicNow } from '../time.ts';
import type { Logger } from './log.ts';

const PAUSE_MS = 1_000;

/**
 * Logs what can befall every request at once, such as an owner that is away: each message once a second at most, with the
 * number of lines that were left out since. At level debug there is every line.
 */
export class ThrottledLog {
  readonly #log: Logger;
  readonly #now: MonotonicClock;
  /** By message, of which there are a handful. */
  readonly #said = new Map<string, { at: MonotonicTime; leftOut: number }>();

  constructor(log: Logger, now: MonotonicClock = monotonicNow) {
    this.#log = log;
    this.#now = now;
  }

  info(facts: Record<string, unknown>, message: string): void {
    this.#say('info', facts, message);
  }

  warn(facts: Record<string, unknown>, message: string): void {
    this.#say('warn', facts, message);
  }

  #say(level: 'info' | 'warn', facts: Record<string, unknown>, message: string): void {
    const now = this.#now();
    const last = this.#said.get(message);
    if (last !== undefined && now - last.at < PAUSE_MS && !this.#log.isLevelEnabled('debug')) {
      last.leftOut++;
      return;
    }
    this.#said.set(message, { at: now, leftOut: 0 });
    this.#log[level](last === undefined || last.leftOut === 0 ? facts : { ...facts, leftOut: last.leftOut }, message);
  }
}
