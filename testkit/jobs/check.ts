import { DatabaseSync } from 'node:sqlite';
import type { PlannedJob } from './bot.ts';

/** What a run schedules. */
export interface Plan {
  readonly jobs: readonly (Omit<PlannedJob, 'key'> & {
    readonly guildId: string;
    /** `cancelled`: it is cancelled after it was scheduled. `replaced`: it takes the place of another one. */
    readonly fate: 'runs' | 'cancelled' | 'replaced';
  })[];
}

/** When a pod did not run, in Unix milliseconds. */
export interface Downtime {
  readonly pod: number;
  readonly from: number;
  readonly to: number;
}

/** The result of a run. */
export interface JobsReport {
  readonly scheduled: number;
  readonly ran: number;
  readonly cancelled: number;
  /** Jobs without all of their rows. */
  readonly lost: readonly string[];
  /** Jobs with a row twice. */
  readonly doubled: readonly string[];
  /** Jobs that ran although a pod had said that they were cancelled, or that another one had replaced. */
  readonly ghosts: readonly string[];
  /** The longest time between a job's moment, or the moment since its owner lived, and its run. */
  readonly latestMs: number;
  readonly kills: number;
  readonly restarts: number;
}

interface Row {
  readonly guildId: string;
  readonly id: string;
  readonly step: number;
  readonly dueAt: number;
  readonly ranAt: number;
  readonly attempt: number;
  readonly pod: number;
}

function look<Result>(path: string, read: (database: DatabaseSync) => Result): Result {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return read(database);
  } finally {
    database.close();
  }
}

/** The jobs that are not done, and the guilds whose rows are at another pod than their owner. */
export function jobsLeft(databases: readonly string[], ownerOf: (guildId: string) => number): number {
  let left = 0;
  for (const [pod, path] of databases.entries()) {
    left += look(path, (database) => {
      const { jobs } = database.prepare('SELECT count(*) AS jobs FROM guildway_jobs').get() as { jobs: number };
      const guilds = database.prepare('SELECT DISTINCT guild_id AS guildId FROM ran').all() as { guildId: string }[];
      return jobs + guilds.filter(({ guildId }) => ownerOf(guildId) !== pod).length;
    });
  }
  return left;
}

/** Compares the rows of all pods with what was scheduled. */
export function check(run: {
  readonly plan: Plan;
  /** The jobs that a pod said it has cancelled. */
  readonly cancelled: ReadonlySet<string>;
  readonly databases: readonly string[];
  readonly downtimes: readonly Downtime[];
  /** The pods that own a guild in the course of the run. */
  readonly ownersOf: (guildId: string) => readonly number[];
}): Omit<JobsReport, 'kills' | 'restarts'> {
  const { plan, cancelled, databases, downtimes, ownersOf } = run;
  const rows = databases.flatMap((path) =>
    look(path, (database) => {
      const found = database
        .prepare('SELECT guild_id AS guildId, id, step, due_at AS dueAt, ran_at AS ranAt, attempt, pod FROM ran')
        .all();
      return found as unknown as Row[];
    }),
  );
  const byId = Map.groupBy(rows, ({ id }) => id);
  const lost: string[] = [];
  const doubled: string[] = [];
  const ghosts: string[] = [];
  for (const { id, kind, fate } of plan.jobs) {
    const own = byId.get(id) ?? [];
    const steps = new Set(own.map(({ step }) => step));
    if (own.length !== steps.size) doubled.push(id);
    if (cancelled.has(id) && own.length > 0) ghosts.push(id);
    if (!cancelled.has(id) && steps.size < (kind === 'plain' ? 1 : 2)) lost.push(id);
    if (fate === 'replaced' && byId.has(`${id}-before`)) ghosts.push(`${id}-before`);
  }
  const late = rows
    .filter(({ attempt, step }) => attempt === 1 && step === 0)
    .map((row) => ({
      ...row,
      lateMs: lateness(
        row,
        downtimes.filter(({ pod }) => ownersOf(row.guildId).includes(pod)),
      ),
    }))
    .toSorted((a, b) => b.lateMs - a.lateMs);
  const latestMs = late[0]?.lateMs ?? 0;
  return { scheduled: plan.jobs.length, ran: byId.size, cancelled: cancelled.size, lost, doubled, ghosts, latestMs };
}

/** How late a job ran, without the time that an owner of its guild was away: until it has given the guild away, no other pod has it. */
function lateness({ dueAt, ranAt }: Row, downtimes: readonly Downtime[]): number {
  let from = dueAt;
  for (const down of downtimes) if (down.to > from && down.from < ranAt) from = Math.max(from, down.to);
  return Math.max(0, ranAt - from);
}
