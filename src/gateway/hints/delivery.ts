import { type GatewayRequest, type GatewayResponse, HEADER, headerValue } from '../../link/message.ts';
import type { Hint } from '../store/hints.ts';

/** The request that delivers a hint: the original one, and what its owner must know. */
export function deliveryRequest(hint: Hint): GatewayRequest {
  return {
    method: 'POST',
    target: hint.target,
    headers: [
      ...hint.headers,
      HEADER.hint,
      hint.identity,
      HEADER.deferred,
      String(hint.deferred),
      HEADER.hintExpires,
      String(hint.expiresAt),
    ],
    body: hint.body,
  };
}

/**
 * What an owner's answer means for a hint.
 * - `delivered`: it is done
 * - `expired`: it came too late and was not executed
 * - `rejected`: it will never be accepted as it is
 * - `elsewhere`: another pod owns the guild now, as far as this one knows
 * - `later`: not executed, because the pod serves nothing now
 * - `again`: the owner has seen it, and it is not done yet
 */
export type Verdict =
  | { readonly kind: 'delivered' | 'expired' | 'rejected' | 'later' | 'again' }
  | { readonly kind: 'elsewhere'; readonly owner: number | null; readonly epoch: number };

export function verdictOf({ status, headers }: GatewayResponse): Verdict {
  if (status < 300) return { kind: 'delivered' };
  if (status === 410) return { kind: 'expired' };
  if (status === 421) {
    const number = (name: string): number => Number(headerValue(headers, name) ?? Number.NaN);
    const owner = number(HEADER.owner);
    const epoch = number(HEADER.epoch);
    return { kind: 'elsewhere', owner: Number.isSafeInteger(owner) && owner >= 0 ? owner : null, epoch: epoch || 0 };
  }
  if (status === 503 || status === 429) return { kind: 'later' };
  if (status >= 500 || status === 408 || status === 425) return { kind: 'again' };
  return { kind: 'rejected' };
}
