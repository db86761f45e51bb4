import { type MonotonicClock, type MonotonicTime, monotonicNow } from '../time.ts';
import type { Logger } from './log.ts';

const PAUSE_MS = 1_000;

/**
 * Logs conditions that may affect every request, such as an owner that is away: each message at most once per second, with the
 * number of suppressed lines. At level debug, every line is logged.
 */
export class ThrottledLog {
  readonly #log: Logger;
  readonly #now: MonotonicClock;
  /** By message. There are only a handful. */
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
