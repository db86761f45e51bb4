import { authorityOf, newest, type OwnerOf } from './authority.ts';
import type { MovingState } from './state.ts';

/**
 * What a pod does with a request for a guild.
 *
 * - `serve`: it owns the guild
 * - `wait`: the guild is leaving, or its rows are being fetched; ask again in some milliseconds, inside the request's deadline
 * - `redirect`: another pod knows more
 * - `recovering`: the volume was restored or lost, and some pods have not yet said what they hold
 */
export type RequestDecision =
  | { readonly kind: 'serve' | 'wait' | 'recovering' }
  | { readonly kind: 'redirect'; readonly to: number };

/** Decides about a request. @param guild a validated guild id */
export function decideRequest(state: MovingState, guild: string, ownerOf: OwnerOf): RequestDecision {
  if (state.recovering.size > 0) return { kind: 'recovering' };
  if (state.leaving.has(guild)) return { kind: 'wait' };
  const record = state.records.get(guild);
  switch (record?.state) {
    case 'here':
      return { kind: 'serve' };
    case 'moved':
      return { kind: 'redirect', to: record.to };
    case 'awaiting':
      return { kind: 'wait' };
    case 'arriving':
      return { kind: 'redirect', to: record.from };
    case undefined:
      break;
  }
  const authority = authorityOf(state, guild, ownerOf);
  if (authority !== state.ordinal) return { kind: 'redirect', to: authority };
  const leaves = state.closing && ownerOf(newest(state), guild) !== state.ordinal;
  return { kind: leaves ? 'wait' : 'serve' };
}
