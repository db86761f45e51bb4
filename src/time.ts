/**
 * Time, with types that tell a moment from a duration and one clock from another. All of them are milliseconds, and plain
 * numbers at run time.
 *
 * A plain number passes for a duration, so literals and settings need no conversion. A moment comes from a function of this file
 * only, so neither a duration nor a moment of the other clock passes for it. A moment does not pass for a duration either.
 */

declare const kind: unique symbol;

/** Milliseconds between two moments. */
export type Duration = number & { readonly [kind]?: 'duration' };

/** A moment on `performance.now()`, which only runs forward. Whatever waits uses it. It means nothing outside this process. */
export type MonotonicTime = number & { readonly [kind]: 'monotonic' };

/** A moment in Unix milliseconds. For what people, other machines or a later process read. */
export type WallTime = number & { readonly [kind]: 'wall' };

export type MonotonicClock = () => MonotonicTime;
export type WallClock = () => WallTime;

/** No moment is later. */
export const NEVER = Number.POSITIVE_INFINITY as MonotonicTime;

export const monotonicNow: MonotonicClock = () => performance.now() as MonotonicTime;

/** What the system's clock says. It steps forward and back when somebody sets it: never wait by it. */
export const wallNow: WallClock = () => Date.now() as WallTime;

/**
 * What the system's clock said when this process started, carried on by the monotonic clock: a step of the system's clock does
 * not change it. For moments on disk that this process waits for.
 */
export const steadyNow: WallClock = () => Math.floor(performance.timeOrigin + performance.now()) as WallTime;

/**
 * What the clocks of this process say now: one moment, or two after the system's clock was set while it ran. Nobody knows which of
 * them is right, so a moment of another machine may be compared with either.
 */
export function clocksNow(): readonly WallTime[] {
  const [wall, steady] = [wallNow(), steadyNow()];
  return Math.abs(wall - steady) < 1_000 ? [wall] : [wall, steady];
}

/** The one of {@link clocksNow} that is nearer to a moment of another machine. */
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

/** How long until a moment; negative when it has passed. */
export const remaining = (moment: MonotonicTime): Duration => moment - performance.now();

/** How long since a moment. */
export const elapsed = (since: MonotonicTime): Duration => performance.now() - since;

/** A number that is known to be Unix milliseconds, such as one that was read from disk. */
export const asWallTime = (unixMs: number): WallTime => unixMs as WallTime;

/** A number that is known to be on the monotonic clock, such as one of a test's own clock. */
export const asMonotonicTime = (ms: number): MonotonicTime => ms as MonotonicTime;
