import type { Duration } from '../../time.ts';

const FIRST_MS = 1_000;
const LONGEST_MS = 600_000;

/** The attempts of a job before it is set aside. With the pauses below they take about an hour. */
export const ATTEMPTS = 15;

/**
 * How long a job waits after an attempt: 1 s, doubled after each failure, at most 10 minutes. Up to a fifth more, so that jobs that
 * failed together do not come back together.
 * @param attempt 1 for the first
 * @param random from 0 (inclusive) to 1 (exclusive)
 */
export function pauseAfter(attempt: number, random: () => number = Math.random): Duration {
  const pauseMs = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt - 1, 30));
  return Math.round(pauseMs * (1 + random() / 5));
}
