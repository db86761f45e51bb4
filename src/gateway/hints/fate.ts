/**
 * What happens to a kept request that its owner answered, but did not take. In either case it leaves its place in the order of
 * its guild, and those behind it are delivered.
 *
 * | the answer | interaction | event of Stripe's or Discord's |
 * | --- | --- | --- |
 * | failed: 5xx, 408, 425, 429, no answer, the pod could not finish it | tried again until its time is over, then its user is told | tried again until its time is over, then set aside |
 * | rejected: any other status that is not 2xx | its user is told | tried four more times in 40 s, then set aside |
 *
 * An API write with an `Idempotency-Key` is never kept: its caller waits for it and gets the answer, whatever it is.
 */
import { fullJitter } from '../../link/backoff.ts';
import type { Duration } from '../../time.ts';
import type { HintEntry } from '../store/hints.ts';

/** A user waits for an interaction until its token expires. No user waits for an event. */
export type HintKind = 'interaction' | 'event';

export const kindOf = ({ identity }: Pick<HintEntry, 'identity'>): HintKind =>
  identity.startsWith('interaction:') ? 'interaction' : 'event';

const RETRY_BASE_MS = 250;
/** A user waits for a deferred answer; an event that fails for days is not worth a try every few seconds. */
const RETRY_CAP_MS: Readonly<Record<HintKind, Duration>> = { interaction: 5_000, event: 60_000 };
/** `Retry-After` counts up to here: what made the bot ask for it may be over sooner. */
const RETRY_AFTER_CAP_MS: Readonly<Record<HintKind, Duration>> = { interaction: 30_000, event: 3_600_000 };

/**
 * How long a delivery that failed waits for the next attempt.
 * @param failures how many there were before
 * @param retryAfterMs what the owner asked for, or null
 */
export function retryPauseMs(
  kind: HintKind,
  failures: number,
  retryAfterMs: Duration | null,
  random: () => number,
): Duration {
  const askedMs = Math.min(retryAfterMs ?? 0, RETRY_AFTER_CAP_MS[kind]);
  return Math.max(askedMs, fullJitter(failures, RETRY_BASE_MS, RETRY_CAP_MS[kind], random));
}

const REJECTION_PAUSES_MS: readonly Duration[] = [1_000, 3_000, 9_000, 27_000];

/**
 * How long an event that the bot rejected waits for the next attempt, or null when it is to be set aside.
 * @param rejections how many there were before
 */
export function rejectionPauseMs(rejections: number, random: () => number): Duration | null {
  const pauseMs = REJECTION_PAUSES_MS[rejections];
  return pauseMs === undefined ? null : pauseMs * (0.75 + random() / 2);
}
