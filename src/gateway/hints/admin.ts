import { GuildwayError } from '../../errors.ts';
import type { AdminAction } from '../../observability/admin-server.ts';
import type { Hints } from './hints.ts';
import type { Selection } from './set-aside.ts';

/**
 * Operator actions on requests that are set aside. The body names one, `{"identity": "stripe:evt_…"}`, or all, `{"all": true}`
 * (up to 1,000).
 */
export function hintActions(hints: Pick<Hints, 'deliverAgain' | 'drop'>): Readonly<Record<string, AdminAction>> {
  return {
    '/hints/deliver': (body) => {
      const { force = false } = (body ?? {}) as { force?: unknown };
      if (typeof force !== 'boolean') throw invalid('"force" is true or false');
      return { delivering: hints.deliverAgain(selectionOf(body), force) };
    },
    '/hints/drop': async (body) => ({ dropped: await hints.drop(selectionOf(body)) }),
  };
}

function selectionOf(body: unknown): Selection {
  const { identity, all } = (body ?? {}) as { identity?: unknown; all?: unknown };
  if (typeof identity === 'string' && all === undefined) return { identity };
  if (all === true && identity === undefined) return { all };
  throw invalid('name one request, {"identity": "…"} as GET /hints lists it, or all, {"all": true}');
}

const invalid = (why: string): GuildwayError => new GuildwayError('REQUEST_INVALID', why);
