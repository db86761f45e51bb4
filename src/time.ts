/**
 * Time, with types that tell a moment from a duration and one clock from another. All of them are milliseconds, and plain
 * numbers at run time.
 *
 * A plain number is accepted as a duration, so literals and settings need no conversion. Only functions of this file make a moment,
 * so the compiler accepts neither a duration nor a moment of the other clock in its place, nor a moment as a duration.
 */

declare const kind: unique symbol;

/** Milliseconds between two moments. */
export type Duration = number & { readonly [kind]?: 'duration' };

/** A moment on `performance.now()`, which only runs forward. Use it for every wait. Meaningless outside this process. */
export type MonotonicTime = number & { readonly [kind]: 'monotonic' };

/** A moment in Unix milliseconds. For values that people, other machines or a later process read. */
export type WallTime = number & { readonly [kind]: 'wall' };

export type MonotonicClock = () => MonotonicTime;
export type WallClock = () => WallTime;

/** No moment is later. */
export const NEVER = Number.POSITIVE_INFINITY as MonotonicTime;

export const monotonicNow: MonotonicClock = () => performance.now() as MonotonicTime;

/** The system's clock. It jumps when somebody sets it: never wait by it. */
export const wallNow: WallClock = () => Date.now() as WallTime;

/**
 * The system's time at the start of this process, advanced by the monotonic clock: setting the system's clock does not change
 * it. For moments on disk that this process waits for.
 */
export const steadyNow: WallClock = () => Math.floor(performance.timeOrigin + performance.now()) as WallTime;

/**
 * The current time on the clocks of this process: one moment, or two if the system's clock was set while the process ran. Either
 * may be right, so a moment of another machine may be compared with either.
 */
export function clocksNow(): readonly WallTime[] {
  const [wall, steady] = [wallNow(), steadyNow()];
  return Math.abs(wall - steady) < 1_000 ? [wall] : [wall, steady];
}

/** The moment of {@link clocksNow} that is closest to a moment of another machine. */
export function nearestNow(to: WallTime): WallTime {
  const [wall, steady] = clocksNow() as [WallTime, WallTime?];
  return steady !== undefined && Math.abs(steady - to) < Math.abs(wall - to) ? steady : wall;
}

/** The moment `ms` after another one. */
export const after = <Moment extends MonotonicTime | WallTime>(moment: Moment, ms: Duration): Moment =>
  (moment + ms) as Moment;

/** The moment `ms` before another one. */
export const before = <Moment extends MonotonicTime | WallTime>(moment: Moment, ms: Duration): Moment =>
  (moment - ms) as Moment;

/** The moment `ms` from now. */
export const inMs = (ms: Duration): MonotonicTime => (performance.now() + ms) as MonotonicTime;

/** The time until a moment; negative if it has passed. */
export const remaining = (moment: MonotonicTime): Duration => moment - performance.now();

/** The time since a moment. */
export const elapsed = (since: MonotonicTime): Duration => performance.now() - since;

/** A number that is known to be Unix milliseconds, such as one that was read from disk. */
export const asWallTime = (unixMs: number): WallTime => unixMs as WallTime;

/** A number that is known to be on the monotonic clock, such as one of a test's own clock. */
export const asMonotonicTime = (ms: number): MonotonicTime => ms as MonotonicTime;
