import type { Duration, WallTime } from '../../time.ts';

/**
 * When a pod may identify while pod 0, which hands out identify slots, is away. The wall clock is divided into slots, and each of the
 * other pods has every (N-1)-th. A slot is two intervals long, and a pod identifies in its first quarter only. So the identifies of two
 * pods are 1.5 intervals apart at least: the clocks of pods may differ by 0.5 intervals (2.75 s), and Discord's limit is kept.
 *
 * A pod whose clock is off by more may identify too soon. Discord refuses that one session, and the pod tries again later.
 */
export interface IdentifySlots {
  /** Of this pod; 1 or more. */
  readonly ordinal: number;
  /** N, the number of gateway pods. */
  readonly pods: number;
  /** The shortest time between two identifies of a bucket. */
  readonly intervalMs: Duration;
}

/** The part of a slot in which an identify may be sent. */
const windowMs = ({ intervalMs }: IdentifySlots): Duration => intervalMs / 2;

/** How long pod 0 may take to answer within such a part, so that time remains for the identify. */
export const probeMs = (slots: Pick<IdentifySlots, 'intervalMs'>): Duration => slots.intervalMs / 10;

/**
 * How long pod 0 grants nothing after an absence. By then, every pod that found it absent has identified, and Discord's
 * interval has passed.
 */
export const handbackMs = ({ intervalMs }: Pick<IdentifySlots, 'intervalMs'>): Duration =>
  intervalMs + 2 * probeMs({ intervalMs });

/** The time until this pod may identify. 0: now. */
export function slotWaitMs(slots: IdentifySlots, now: WallTime): Duration {
  const { ordinal, pods, intervalMs } = slots;
  const slotMs = intervalMs * 2;
  const cycleMs = slotMs * (pods - 1);
  const sinceBegin = (((now - (ordinal - 1) * slotMs) % cycleMs) + cycleMs) % cycleMs;
  return sinceBegin < windowMs(slots) ? 0 : cycleMs - sinceBegin;
}
