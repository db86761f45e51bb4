/**
 * Every error that Guildway raises on purpose is a `GuildwayError` with a stable literal `code`.
 * Branch on `code`; the message is for people and may change.
 */
export type ErrorCode =
  // bad input
  | 'CONFIG_INVALID' // an environment variable has a value that is not allowed
  | 'GUILD_ID_INVALID' // not a decimal unsigned 64-bit integer without leading zeros
  | 'BOT_INVALID' // the bot module is missing, or not made by defineBot
  | 'REQUEST_INVALID' // the request is malformed
  | 'BODY_TOO_LARGE'
  | 'OVERLOADED' // too much in memory at once: nothing was done
  // the link
  | 'LINK_UNAVAILABLE' // no connection: nothing was sent, safe to retry
  | 'LINK_SATURATED' // too many requests in flight: nothing was sent
  | 'LINK_LOST' // the connection ended after the request was sent: outcome unknown
  | 'LINK_PROTOCOL' // the peer broke the protocol
  | 'LINK_REFUSED' // the handshake failed: wrong secret, wrong version, wrong pod
  | 'DEADLINE_EXCEEDED' // no response in time
  | 'CANCELLED' // the caller disconnected
  // ownership and data
  | 'DATABASE_LOCKED' // another process already runs as this pod
  | 'DATABASE_CORRUPT'
  | 'DATABASE_UNSAFE' // a SQLite library with a known data-loss bug
  | 'TOPOLOGY_MISMATCH' // the rows were placed under another topology
  | 'FENCED' // this process is no longer the owner of its database
  | 'IDENTITY_REUSED' // the same interaction id or idempotency key with another body
  | 'HINTS_FULL' // this stand-in accepts no more hints
  | 'STORE_FAILED' // the disk refused a write
  // jobs
  | 'JOB_INVALID' // the bot has no such job, or the options or the payload are not valid
  | 'JOB_CANCELLED' // the job was cancelled or replaced while it ran: the transaction was not run
  // moving guilds
  | 'MOVE_REFUSED' // the guilds cannot move as things are: the schemas differ, or keys are taken
  | 'MOVE_DAMAGED' // the copy arrived damaged: send it again
  | 'GUILD_MOVED' // another pod owns the guild now: nothing was written
  | 'MOVE_OUTDATED'; // rows have changed since they were exported: export them again

export class GuildwayError extends Error {
  override readonly name = 'GuildwayError';
  readonly code: ErrorCode;
  /** Typed facts for logs: never a secret, a token or message content. */
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: { facts?: Record<string, unknown>; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.facts = Object.freeze({ ...options.facts });
  }
}

/**
 * A request to another pod got no response.
 * - `not-sent`: the pod has certainly not executed it, so it may be sent again
 * - `unknown`: the pod may have executed it, so only a request that may run twice is sent again
 */
export class DispatchError extends GuildwayError {
  readonly outcome: 'not-sent' | 'unknown';

  constructor(
    code: ErrorCode,
    outcome: DispatchError['outcome'],
    message: string,
    options: { facts?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(code, message, options);
    this.outcome = outcome;
  }
}

/** Whether a request has certainly not been executed. False if the error does not say. */
export const certainlyNotSent = (error: unknown): boolean =>
  error instanceof DispatchError && error.outcome === 'not-sent';

/** The code of an error of ours, or undefined for anything else. */
export function errorCode(error: unknown): ErrorCode | undefined {
  return error instanceof GuildwayError ? error.code : undefined;
}
