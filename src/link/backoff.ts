import type { Duration } from '../time.ts';

/**
 * Exponential backoff with full jitter: a random delay from 0 to `baseMs * 2^attempt`, at most `capMs`. Clients that lost a pod at the
 * same time must not reconnect at the same time.
 * @param attempt 0 for the first delay
 * @param random from 0 (inclusive) to 1 (exclusive)
 */
export function fullJitter(
  attempt: number,
  baseMs: Duration,
  capMs: Duration,
  random: () => number = Math.random,
): number {
  return random() * Math.min(capMs, baseMs * 2 ** Math.min(attempt, 30));
}
