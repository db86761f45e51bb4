import type { Duration } from '../../time.ts';

/** Waits and limits of sessions. */
export interface SessionTiming {
  /** How long a new connection may take until HELLO. */
  readonly helloMs: Duration;
  /** How long Discord may take to answer an identify. */
  readonly readyMs: Duration;
  /** How long a resume may go without an event or an answer. */
  readonly resumeMs: Duration;
  /** A connection that fails sooner than this after it was ready counts as one more failure in a row. */
  readonly steadyMs: Duration;
  /** The wait after the second failure in a row is up to this; each further one doubles it, up to {@link SessionTiming.backoffCapMs}. */
  readonly backoffBaseMs: Duration;
  readonly backoffCapMs: Duration;
  /** The wait after Discord rejects the token. The rejection may be temporary, but Discord must not be asked often. */
  readonly refusedTokenMs: Duration;
  /** How long the other pods wait for identify slots from pod 0: longer than a restart takes. */
  readonly podZeroAbsentMs: Duration;
  /** How long all lower pods must be away before a pod registers the commands. Nothing waits for it. */
  readonly commandsAbsentMs: Duration;
}

export const DEFAULT_TIMING: SessionTiming = Object.freeze({
  helloMs: 20_000,
  readyMs: 15_000,
  resumeMs: 15_000,
  steadyMs: 60_000,
  backoffBaseMs: 500,
  backoffCapMs: 30_000,
  refusedTokenMs: 300_000,
  podZeroAbsentMs: 30_000,
  commandsAbsentMs: 120_000,
});
