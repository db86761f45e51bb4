/**
 * What happens to a stored request that its owner answered but did not accept. In either case the request leaves the order of
 * its guild, and the requests behind it are delivered.
 *
 * | the response | interaction | event from Stripe or Discord |
 * | --- | --- | --- |
 * | failed: 5xx, 408, 425, 429, no response, or the pod could not finish | retried until it expires; then its user is told | retried until it expires; then set aside |
 * | rejected: any other status except 2xx | its user is told | retried four more times in 40 s; then set aside |
 *
 * An API write with an `Idempotency-Key` is never stored: its client waits for the response and gets it.
 */
import { fullJitter } from '../../link/backoff.ts';
import type { Duration } from '../../time.ts';
import type { HintEntry } from '../store/hints.ts';

/** A user waits for an interaction until its token expires. No user waits for an event. */
export type HintKind = 'interaction' | 'event';

export const kindOf = ({ identity }: Pick<HintEntry, 'identity'>): HintKind =>
  identity.startsWith('interaction:') ? 'interaction' : 'event';

const RETRY_BASE_MS = 250;
/** A user waits for a deferred response. An event may fail for days and need not be retried every few seconds. */
const RETRY_CAP_MS: Readonly<Record<HintKind, Duration>> = { interaction: 5_000, event: 60_000 };
/** The longest `Retry-After` that counts: its cause may be over sooner. */
const RETRY_AFTER_CAP_MS: Readonly<Record<HintKind, Duration>> = { interaction: 30_000, event: 3_600_000 };

/**
 * The delay before the next attempt after a failed delivery.
 * @param failures earlier ones
 * @param retryAfterMs the delay that the owner asked for, or null
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
 * The delay before the next attempt after the bot rejected an event. Null: set it aside.
 * @param rejections earlier ones
 */
export function rejectionPauseMs(rejections: number, random: () => number): Duration | null {
  const pauseMs = REJECTION_PAUSES_MS[rejections];
  return pauseMs === undefined ? null : pauseMs * (0.75 + random() / 2);
}
