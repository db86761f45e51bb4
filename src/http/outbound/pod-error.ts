import { errors } from 'undici';
import { DispatchError, type ErrorCode, GuildwayError } from '../../errors.ts';

/** An error that names the gateway pod. */
export function podError(
  ordinal: number,
  code: ErrorCode,
  outcome: DispatchError['outcome'],
  why: string,
  cause?: unknown,
): DispatchError {
  return new DispatchError(code, outcome, `gateway pod ${ordinal}: ${why}`, { cause, facts: { ordinal } });
}

/** The error of a request whose client disconnected. */
export const cancelled = (ordinal: number, outcome: DispatchError['outcome']): DispatchError =>
  podError(ordinal, 'CANCELLED', outcome, 'the client disconnected');

/** The error of a response whose status is outside HTTP. The server is not a Guildway pod. */
export const notAStatus = (ordinal: number, status: number): DispatchError =>
  podError(ordinal, 'LINK_PROTOCOL', 'unknown', `${status} is not an HTTP status`);

/** Turns a failure of plain HTTP into an error that says whether the pod or the request is at fault. */
export function plainError(ordinal: number, outcome: DispatchError['outcome'], cause: unknown): DispatchError {
  if (cause instanceof DispatchError) return cause;
  const { name, message } = cause as Error;
  // The streamed body from the client is too large.
  if (cause instanceof GuildwayError) return new DispatchError(cause.code, outcome, message, { cause });
  if (isBadArgument(cause)) return podError(ordinal, 'REQUEST_INVALID', 'not-sent', message, cause);
  if (name === 'TimeoutError') return podError(ordinal, 'DEADLINE_EXCEEDED', outcome, 'no response in time', cause);
  return podError(ordinal, outcome === 'unknown' ? 'LINK_LOST' : 'LINK_UNAVAILABLE', outcome, message, cause);
}

/** Arguments that an HTTP client rejects before it sends anything. The client's request is at fault, not the pod. */
function isBadArgument(cause: unknown): boolean {
  if (cause instanceof errors.InvalidArgumentError || cause instanceof errors.NotSupportedError) return true;
  return cause instanceof TypeError && String((cause as { code?: unknown }).code).startsWith('ERR_');
}
