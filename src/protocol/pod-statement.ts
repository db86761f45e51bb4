import { HEADER, type HeaderList, headerValue } from './headers.ts';

/**
 * What a gateway pod itself says of a request, as opposed to its bot. Only this decides about retries, redirects, breakers and
 * hints: any status that a bot answers with (421, 429, 503, …) is an answer. A statement is marked by a header that no bot's
 * response can carry, because a gateway pod removes all internal ones from it.
 *
 * - `refused`: nothing was done, and the request was not looked at: it may be sent again
 * - `held`: nothing was done; the pod serves no guild until the pods' topologies agree, so that another try is of no use. Whoever sent
 *   the request gets the response, which names the topologies
 * - `redirect`: nothing was done; another pod is the owner, as this one believes. NaN: it did not say which, or under which epoch
 * - `failed`: the pod could not finish it (its disk, its deadline, a handler that threw). It may have been carried out.
 */
export type PodStatement =
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'held'; readonly why: string }
  | { readonly kind: 'redirect'; readonly owner: number; readonly epoch: number }
  | { readonly kind: 'failed'; readonly why: string };

/** The pod's own statement in a response, or null when the response is the bot's. */
export function podStatement(status: number, headers: HeaderList): PodStatement | null {
  // Most responses: no statement comes with a lower status.
  if (status < 400) return null;
  const refusal = headerValue(headers, HEADER.refusal);
  if (refusal !== undefined) return { kind: 'refused', why: refusal };
  const held = headerValue(headers, HEADER.held);
  if (held !== undefined) return { kind: 'held', why: held };
  if (status === 421) {
    const owner = headerValue(headers, HEADER.owner);
    if (owner === undefined) return null;
    return { kind: 'redirect', owner: integer(owner), epoch: integer(headerValue(headers, HEADER.epoch)) };
  }
  const failure = headerValue(headers, HEADER.failure);
  return failure === undefined ? null : { kind: 'failed', why: failure };
}

const integer = (text: string | undefined): number =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
