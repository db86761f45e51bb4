import type { ErrorCode } from '../../errors.ts';

/**
 * When a request may be sent again after an attempt whose outcome is not known:
 * - `always`: reading twice does no harm, or the caller said so with an Idempotency-Key
 * - `at-our-pods`: its owner recognises it if it is a Guildway pod; another server would do it twice
 * - `never`
 */
export type Repeatable = 'always' | 'at-our-pods' | 'never';

/** Failures that another attempt would repeat, or whose caller has given up. */
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
 * - `free`: the attempt was certainly not sent. Another costs the pod nothing that it would not have had anyway, so a request
 *   waits for its pod as long as its deadline allows.
 * - `costs`: it was sent, so another is load that the pod would not have without its trouble: only within the retry budget
 * - `no`
 */
export function mayTryAgain(attempt: {
  readonly code: ErrorCode;
  /** Whether the pod may have carried out this attempt. */
  readonly sentNow: boolean;
  /** The same of this attempt or any before it. */
  readonly sentEver: boolean;
  readonly repeatable: boolean;
}): 'free' | 'costs' | 'no' {
  if (FINAL.has(attempt.code) || (attempt.sentEver && !attempt.repeatable)) return 'no';
  return attempt.sentNow ? 'costs' : 'free';
}
