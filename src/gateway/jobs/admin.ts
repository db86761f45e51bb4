import { GuildwayError } from '../../errors.ts';
import type { AdminAction } from '../../observability/admin-server.ts';
import type { Store } from '../store/store.ts';

const LISTED = 100;

/** Jobs as `GET /jobs` shows them. */
export function jobSummary({ jobs }: Pick<Store, 'jobs'>): unknown {
  const { waiting, setAside, nextAt } = jobs.counts();
  const iso = (at: number): string => new Date(at).toISOString();
  return {
    waiting,
    due: jobs.countDue(),
    setAside,
    next: nextAt === null ? null : iso(nextAt),
    setAsideJobs: jobs.listSetAside(LISTED).map(({ id, name, guildId, key, dueAt, attempts, reason, setAsideAt }) => ({
      ...{ id, name, guild: guildId || null, key, attempts, reason },
      ...{ dueAt: iso(dueAt), setAsideAt: iso(setAsideAt) },
    })),
  };
}

/** Operator actions on jobs that are set aside: the body names one, `{"id": "…"}`, or all, `{"all": true}`. */
export function jobActions({
  jobs,
  connection,
}: Pick<Store, 'jobs' | 'connection'>): Readonly<Record<string, AdminAction>> {
  const write = (work: () => number): number => connection.transaction('full', work);
  return {
    '/jobs/run': (body) => {
      const id = selected(body);
      return { running: write(() => jobs.runAgain(id)) };
    },
    '/jobs/drop': (body) => {
      const id = selected(body);
      return { dropped: write(() => jobs.drop(id)) };
    },
  };
}

/** @returns null: all */
function selected(body: unknown): string | null {
  const { id, all } = (body ?? {}) as { id?: unknown; all?: unknown };
  if (typeof id === 'string' && all === undefined) return id;
  if (all === true && id === undefined) return null;
  throw new GuildwayError(
    'REQUEST_INVALID',
    'name one job, {"id": "…"} as GET /jobs lists it, or all that are set aside, {"all": true}',
  );
}
