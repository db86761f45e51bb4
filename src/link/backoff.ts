import type { Duration } from '../time.ts';

/**
 * Full jitter: a random wait from 0 to `baseMs * 2^attempt`, at most `capMs`. Many clients that lost the same pod at the same
 * moment must not come back at the same moment.
 * @param attempt 0 for the first wait
 * @param random from 0 (included) to 1 (excluded)
 */
export function fullJitter(
  attempt: number,
  baseMs: Duration,
  capMs: Duration,
  random: () => number = Math.random,
): number {
  return random() * Math.min(capMs, baseMs * 2 ** Math.min(attempt, 30));
}
