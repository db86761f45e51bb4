import { HEADER, type HeaderList, headerValue } from './headers.ts';

/**
 * A statement of a gateway pod itself about a request, as opposed to its bot's response. Only statements decide about retries,
 * redirects, breakers and hints. Any status that a bot chooses (421, 429, 503, …) is a response. A header marks a statement. No
 * bot's response can carry it, because gateway pods remove all internal headers.
 *
 * - `refused`: the pod did nothing and has not looked at the request: it may be sent again
 * - `held`: the pod did nothing: it serves no guild until the topologies agree, so a retry would fail too. The client gets the
 *   response, which names the topologies
 * - `redirect`: the pod did nothing: in its view, another pod is the owner. NaN: it named no owner or no epoch
 * - `failed`: the pod could not finish the request (disk, deadline, a handler that threw). The handler may have run.
 */
export type PodStatement =
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'held'; readonly why: string }
  | {
      readonly kind: 'redirect';
      readonly owner: number;
      readonly epoch: number;
      /** The newest topology that the pod knows, as `topologyText` writes it; null: it named none. */
      readonly topology: string | null;
    }
  | { readonly kind: 'failed'; readonly why: string };

/** The pod's own statement in a response, or null if the response is the bot's. */
export function podStatement(status: number, headers: HeaderList): PodStatement | null {
  // The fast path: no statement has a lower status.
  if (status < 400) return null;
  const refusal = headerValue(headers, HEADER.refusal);
  if (refusal !== undefined) return { kind: 'refused', why: refusal };
  const held = headerValue(headers, HEADER.held);
  if (held !== undefined) return { kind: 'held', why: held };
  if (status === 421) {
    const owner = headerValue(headers, HEADER.owner);
    if (owner === undefined) return null;
    return {
      kind: 'redirect',
      owner: integer(owner),
      epoch: integer(headerValue(headers, HEADER.epoch)),
      topology: headerValue(headers, HEADER.topology) ?? null,
    };
  }
  const failure = headerValue(headers, HEADER.failure);
  return failure === undefined ? null : { kind: 'failed', why: failure };
}

const integer = (text: string | undefined): number =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
