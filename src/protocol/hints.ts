import type { Duration } from '../time.ts';

/**
 * How long a request is kept for an owner that is away. The owner's ledger remembers what was done for longer.
 *
 * It travels as a duration, and each pod computes the end on its own clock: the clocks of two pods may differ.
 */
export const HINT_LIFE_MS: Readonly<Record<'interaction' | 'event', Duration>> = Object.freeze({
  /** An interaction can be completed for 15 minutes. The stand-in needs the last half minute to tell the user. */
  interaction: 14.5 * 60_000,
  /** As long as Stripe itself repeats an unacknowledged event. */
  event: 3 * 86_400_000,
});
