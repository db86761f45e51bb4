/** Wall-clock time. Tests inject a clock to age an interaction's token or a session. */
export interface Clock {
  /** Unix milliseconds. */
  now(): number;
}

export const systemClock: Clock = { now: Date.now };
