import { HEADER, type HeaderList, HINT_HEADER, headerValue } from '../../protocol/headers.ts';
import type { GatewayRequest, GatewayResponse } from '../../protocol/message.ts';
import { podStatement } from '../../protocol/pod-statement.ts';
import type { Duration } from '../../time.ts';
import { wallNow } from '../../time.ts';
import type { Hint } from '../store/hints.ts';

/**
 * The request that delivers a hint: the original request, with the facts that its owner needs.
 * @param lifeMs how long it may still be executed
 */
export function deliveryRequest(hint: Hint, lifeMs: Duration): GatewayRequest {
  return {
    method: 'POST',
    target: hint.target,
    headers: [
      ...hint.headers,
      ...[HEADER.hint, hint.identity, HEADER.deferred, String(hint.deferred)],
      ...[HINT_HEADER.lifeMs, String(Math.max(0, Math.floor(lifeMs)))],
    ],
    body: hint.body,
  };
}

/**
 * The meaning of a response to a delivery. If the pod itself makes a statement, that decides. Any other status is the bot's
 * response.
 * - `delivered`: done
 * - `refused`: the pod serves nothing at present and did not look at the request
 * - `redirected`: another pod owns the guild, as far as this one knows
 * - `failed`: not done now; a retry may succeed
 * - `rejected`: the bot does not accept it; a retry rarely changes that
 */
export type Verdict =
  | { readonly kind: 'delivered' | 'refused' }
  | { readonly kind: 'redirected'; readonly owner: number; readonly epoch: number }
  | { readonly kind: 'failed'; readonly why: string; readonly retryAfterMs: Duration | null }
  | { readonly kind: 'rejected'; readonly why: string };

/** Statuses below 500 that ask for a retry: Request Timeout, Too Early, Too Many Requests. */
const REPEATABLE: ReadonlySet<number> = new Set([408, 425, 429]);

export function verdictOf({ status, headers }: GatewayResponse): Verdict {
  const statement = podStatement(status, headers);
  switch (statement?.kind) {
    case 'refused':
    case 'held':
      return { kind: 'refused' };
    case 'redirect':
      return { kind: 'redirected', owner: statement.owner, epoch: statement.epoch };
    case 'failed':
      return { kind: 'failed', why: statement.why, retryAfterMs: retryAfter(headers) };
  }
  if (status < 300) return { kind: 'delivered' };
  const why = `the bot answered ${status}`;
  return status >= 500 || REPEATABLE.has(status)
    ? { kind: 'failed', why, retryAfterMs: retryAfter(headers) }
    : { kind: 'rejected', why };
}

/** The delay that `Retry-After` asks for: seconds, or an HTTP date (RFC 9110, 10.2.3). Null: neither. */
function retryAfter(headers: HeaderList): Duration | null {
  const value = headerValue(headers, 'retry-after');
  if (value === undefined) return null;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1_000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? null : Math.max(0, date - wallNow());
}
