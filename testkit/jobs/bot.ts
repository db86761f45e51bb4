import { defineBot, type JobContext } from '../../src/bot/index.ts';

/** A job that a run schedules. */
export interface PlannedJob {
  readonly id: string;
  /**
   * - `plain`: one transaction
   * - `steps`: two transactions with a wait between them
   * - `fails`: its first attempt throws after a transaction
   */
  readonly kind: 'plain' | 'steps' | 'fails';
  /** Unix milliseconds. */
  readonly at: number;
  readonly key?: string;
}

const record = (id: string, step: number, context: JobContext): void =>
  context.transaction((db) => {
    const { dueAt, attempt } = context.job;
    const values = [context.guildId, id, step, dueAt, Date.now(), attempt, context.pod];
    db.run(
      'INSERT INTO ran (guild_id, id, step, due_at, ran_at, attempt, pod) VALUES (?, ?, ?, ?, ?, ?, ?)',
      ...values,
    );
  });

/** The bot of `npm run jobs`: each of its jobs records that it ran. The table has no constraints, so a repeated run leaves two rows. */
export default defineBot({
  name: 'jobs',
  tables: ['ran'],
  migrations: [
    `CREATE TABLE ran (guild_id TEXT NOT NULL, id TEXT NOT NULL, step INTEGER NOT NULL, due_at INTEGER NOT NULL,
       ran_at INTEGER NOT NULL, attempt INTEGER NOT NULL, pod INTEGER NOT NULL) STRICT;
     CREATE INDEX ran_by_guild ON ran (guild_id)`,
  ],
  jobs: {
    record: {
      async run({ id, kind }: PlannedJob, context: JobContext) {
        record(id, 0, context);
        if (kind === 'plain') return;
        await context.durable();
        if (kind === 'fails' && context.job.attempt === 1) throw new Error('the first attempt fails');
        record(id, 1, context);
      },
    },
  },
  /** `POST /api/guilds/<guild>/jobs`: schedules and cancels jobs in one transaction. Responds with the keys that it cancelled. */
  async fetch(request, context) {
    const { schedule = [], cancel = [] } = (await request.json()) as { schedule?: PlannedJob[]; cancel?: string[] };
    const cancelled = context.transaction(() => {
      for (const job of schedule) {
        const { id, kind, at, key } = job;
        context.schedule('record', { id, kind, at }, { at, ...(key === undefined ? {} : { key }) });
      }
      return cancel.filter((key) => context.cancel('record', key));
    });
    return Response.json({ cancelled });
  },
});
