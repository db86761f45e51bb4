import type { ErrorCode } from '../../errors.ts';

/**
 * Whether a request may be retried after an attempt with an unknown outcome:
 * - `always`: it is a read, or the client sent an Idempotency-Key
 * - `at-our-pods`: a Guildway pod recognizes the repetition; another server would execute it twice
 * - `never`
 */
export type Repeatable = 'always' | 'at-our-pods' | 'never';

/** Failures that a retry would repeat, or whose client has disconnected. */
const FINAL: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ...(['CANCELLED', 'DEADLINE_EXCEEDED', 'TOPOLOGY_MISMATCH', 'BODY_TOO_LARGE', 'REQUEST_INVALID'] as const),
]);

/** Failures that say nothing about the pod. */
const NOT_THE_PODS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ...(['CANCELLED', 'BODY_TOO_LARGE', 'REQUEST_INVALID', 'LINK_SATURATED'] as const),
]);

/** Whether a failure counts for the pod's breaker. */
export const blamesPod = (code: ErrorCode): boolean => !NOT_THE_PODS.has(code);

/**
 * Whether a request may be tried again after a failed attempt.
 *
 * - `free`: the attempt was certainly not sent, so a retry adds no load. The request may wait for its pod until its deadline.
 * - `costs`: the attempt was sent, so a retry adds load. It needs the retry budget.
 * - `no`
 */
export function mayTryAgain(attempt: {
  readonly code: ErrorCode;
  /** Whether the pod may have carried out this attempt. */
  readonly sentNow: boolean;
  /** Whether the pod may have carried out this or any earlier attempt. */
  readonly sentEver: boolean;
  readonly repeatable: boolean;
}): 'free' | 'costs' | 'no' {
  if (FINAL.has(attempt.code) || (attempt.sentEver && !attempt.repeatable)) return 'no';
  return attempt.sentNow ? 'costs' : 'free';
}
