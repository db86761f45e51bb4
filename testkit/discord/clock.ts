/** Wall-clock time. Tests inject one to let an interaction's token or a session grow old. */
export interface Clock {
  /** Unix milliseconds. */
  now(): number;
}

export const systemClock: Clock = { now: Date.now };
