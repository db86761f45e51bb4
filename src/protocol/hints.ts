import type { Duration } from '../time.ts';

/**
 * How long a stand-in stores a request for an owner that is away. The owner's ledger remembers executed requests for longer.
 *
 * Pods exchange a duration, and each computes the end on its own clock: the clocks of two pods may differ.
 */
export const HINT_LIFE_MS: Readonly<Record<'interaction' | 'event', Duration>> = Object.freeze({
  /** An interaction can be completed for 15 minutes. The stand-in uses the last half minute to notify the user. */
  interaction: 14.5 * 60_000,
  /** Stripe itself retries an unacknowledged event for this long. */
  event: 3 * 86_400_000,
});
