import { randomUUID } from 'node:crypto';
import type { StatementSync } from 'node:sqlite';
import { GuildwayError } from '../../errors.ts';
import type { WallClock, WallTime } from '../../time.ts';
import type { Connection } from './connection.ts';
import { assertRecordable, type StepMemo } from './ledger.ts';
import { nullable, number, type Query, query, type RowOf, text, wallTime } from './rows.ts';

const JOB = {
  id: text,
  guildId: text,
  name: text,
  key: nullable(text),
  payload: text,
  dueAt: wallTime,
  runAt: wallTime,
  attempts: number,
};
const SET_ASIDE = { ...JOB, setAsideAt: wallTime, reason: text };
const COUNT = { waiting: number, setAside: number, nextAt: nullable(wallTime) };
const COLUMNS = 'id, guild_id AS guildId, name, key, payload, due_at AS dueAt, run_at AS runAt, attempts';

/** A job as it is stored. `guildId` is `''` for one without a guild, `payload` is JSON. */
export type StoredJob = RowOf<typeof JOB>;
/** A job that has failed for good. It stays until an operator runs it again or drops it. */
export type SetAsideJob = RowOf<typeof SET_ASIDE>;

export interface NewJob {
  /** `''`: of no guild. */
  readonly guildId: string;
  readonly name: string;
  readonly key: string | null;
  /** JSON */
  readonly payload: string;
  readonly dueAt: WallTime;
}

/**
 * `guildway_jobs`: what the bot does later. Its methods write inside the transaction of the caller, except where they say otherwise.
 */
export class JobStore {
  /** The names of the bot's jobs. */
  readonly names: readonly string[];
  readonly now: WallClock;
  readonly #connection: Connection;
  readonly #statements: ReturnType<typeof prepare>;
  #onScheduled: (dueAt: WallTime) => void = () => {};

  /** @param now a clock that is immune to steps of the system clock */
  constructor(connection: Connection, names: readonly string[], now: WallClock) {
    this.names = names;
    this.now = now;
    this.#connection = connection;
    this.#statements = prepare(connection.sqlite);
  }

  /** @param onScheduled called for each new job, before its commit */
  watch(onScheduled: (dueAt: WallTime) => void): void {
    this.#onScheduled = onScheduled;
  }

  /** Adds a job, in place of another one with its key. @param runningId the job that schedules it, or null */
  add({ guildId, name, key, payload, dueAt }: NewJob, runningId: string | null): void {
    const { find, detach, remove, insert } = this.#statements;
    const before = key === null ? undefined : find.get(guildId, name, key);
    // A job that schedules its successor ends by itself.
    if (before !== undefined) (before.id === runningId ? detach : remove).run(before.id);
    insert.run(randomUUID(), guildId, name, key, payload, dueAt, dueAt);
    this.#onScheduled(dueAt);
  }

  /** Adds the next run of a repeated job, unless there is one with the same payload. */
  addRepeated({ guildId, name, key, payload, dueAt }: NewJob): void {
    const { changes } = this.#statements.insertRepeated.run(randomUUID(), guildId, name, key, payload, dueAt, dueAt);
    if (changes > 0) this.#onScheduled(dueAt);
  }

  /** The guilds that have a job with this name and payload. */
  guildsWith(name: string, payload: string): string[] {
    return this.#statements.guildsWith.all(name, payload).map(({ guildId }) => guildId);
  }

  /** Ends a run of a repeated job. */
  repeat(id: string, dueAt: WallTime): boolean {
    return this.#statements.repeat.run(dueAt, dueAt, id).changes > 0;
  }

  /** @param runningId the job that cancels it, or null: it does not cancel itself. @returns whether there was one */
  cancel(guildId: string, name: string, key: string, runningId: string | null): boolean {
    const found = this.#statements.find.get(guildId, name, key);
    if (found === undefined || found.id === runningId) return false;
    this.#statements.remove.run(found.id);
    return true;
  }

  /** The next attempt after a moment; null: none. */
  nextAfter(moment: WallTime): WallTime | null {
    return this.#statements.nextAfter.one(moment).nextAt;
  }

  /** How many jobs are due. */
  countDue(): number {
    return this.#statements.countDue.one(this.now()).due;
  }

  /** Jobs whose next attempt is due, the oldest first. @param without guilds whose jobs are omitted */
  due(now: WallTime, limit: number, without: ReadonlySet<string>): StoredJob[] {
    return this.#statements.due.all(now, JSON.stringify([...without]), limit);
  }

  /**
   * Counts an attempt of each of these jobs, in a transaction of its own: when this returns, the end of this process does not undo it.
   * @throws GuildwayError STORE_FAILED, FENCED
   */
  begin(jobs: readonly StoredJob[]): void {
    this.#connection.transaction('normal', () => {
      for (const { id } of jobs) this.#statements.begin.run(id);
    });
  }

  /** The recorded transactions of a job. @throws GuildwayError JOB_CANCELLED when it is read after the job is gone */
  memo({ id, name }: StoredJob): StepMemo {
    const { steps, writeSteps } = this.#statements;
    const read = (): (string | null)[] => {
      const row = steps.get(id);
      if (row !== undefined) return JSON.parse(row.steps);
      throw new GuildwayError('JOB_CANCELLED', `the job ${name} was cancelled or replaced while it ran`);
    };
    return {
      read: (step) => read()[step] ?? undefined,
      write: (step, value) => {
        assertRecordable(value);
        const recorded = read();
        // A transaction that threw before leaves a gap: it runs again.
        recorded[step] = value;
        writeSteps.run(JSON.stringify(recorded), id);
      },
    };
  }

  /** Removes a job that has ended. */
  remove(id: string): void {
    this.#statements.remove.run(id);
  }

  /** Notes a failed attempt. @returns false: the job is gone */
  postpone(id: string, runAt: WallTime, reason: string): boolean {
    return this.#statements.postpone.run(runAt, reason, id).changes > 0;
  }

  /** Keeps a job for an operator. @returns false: the job is gone */
  setAside(id: string, reason: string): boolean {
    return this.#statements.setAside.run(this.now(), reason, id).changes > 0;
  }

  /** Jobs that are set aside, the latest first. */
  listSetAside(limit: number): SetAsideJob[] {
    return this.#statements.listSetAside.all(limit);
  }

  /** Makes jobs that are set aside due now, with all their attempts. @param id null: all. @returns how many */
  runAgain(id: string | null): number {
    const now = this.now();
    const { changes } = this.#statements.runAgain.run({ now, id });
    if (changes > 0) this.#onScheduled(now);
    return Number(changes);
  }

  /** Removes jobs that are set aside. @param id null: all. @returns how many */
  drop(id: string | null): number {
    return Number(this.#statements.drop.run({ id }).changes);
  }

  counts(): RowOf<typeof COUNT> {
    return this.#statements.count.one();
  }
}

function prepare(sqlite: Connection['sqlite']) {
  const statement = (sql: string): StatementSync => sqlite.prepare(sql);
  const rows: { due: Query<StoredJob>; listSetAside: Query<SetAsideJob> } = {
    due: query(
      sqlite,
      `SELECT ${COLUMNS} FROM guildway_jobs
       WHERE set_aside_at IS NULL AND run_at <= ? AND guild_id NOT IN (SELECT value FROM json_each(?))
       ORDER BY run_at LIMIT ?`,
      JOB,
    ),
    listSetAside: query(
      sqlite,
      `SELECT ${COLUMNS}, set_aside_at AS setAsideAt, reason FROM guildway_jobs
       WHERE set_aside_at IS NOT NULL ORDER BY set_aside_at DESC LIMIT ?`,
      SET_ASIDE,
    ),
  };
  return {
    ...rows,
    find: query(sqlite, 'SELECT id FROM guildway_jobs WHERE guild_id = ? AND name = ? AND key = ?', { id: text }),
    countDue: query(sqlite, 'SELECT count(*) AS due FROM guildway_jobs WHERE set_aside_at IS NULL AND run_at <= ?', {
      due: number,
    }),
    nextAfter: query(
      sqlite,
      'SELECT min(run_at) AS nextAt FROM guildway_jobs WHERE set_aside_at IS NULL AND run_at > ?',
      { nextAt: nullable(wallTime) },
    ),
    steps: query(sqlite, 'SELECT steps FROM guildway_jobs WHERE id = ?', { steps: text }),
    count: query(
      sqlite,
      `SELECT count(*) FILTER (WHERE set_aside_at IS NULL) AS waiting, count(set_aside_at) AS setAside,
         min(run_at) FILTER (WHERE set_aside_at IS NULL) AS nextAt
       FROM guildway_jobs`,
      COUNT,
    ),
    insert: statement(
      'INSERT INTO guildway_jobs (id, guild_id, name, key, payload, due_at, run_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ),
    insertRepeated: statement(
      `INSERT INTO guildway_jobs (id, guild_id, name, key, payload, due_at, run_at) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (guild_id, name, key) DO UPDATE SET payload = excluded.payload, due_at = excluded.due_at,
         run_at = excluded.run_at, attempts = 0, steps = '[]', reason = NULL
       WHERE payload <> excluded.payload`,
    ),
    guildsWith: query(sqlite, 'SELECT guild_id AS guildId FROM guildway_jobs WHERE name = ? AND payload = ?', {
      guildId: text,
    }),
    repeat: statement(
      "UPDATE guildway_jobs SET due_at = ?, run_at = ?, attempts = 0, steps = '[]', reason = NULL WHERE id = ?",
    ),
    detach: statement('UPDATE guildway_jobs SET key = NULL WHERE id = ?'),
    remove: statement('DELETE FROM guildway_jobs WHERE id = ?'),
    begin: statement('UPDATE guildway_jobs SET attempts = attempts + 1 WHERE id = ?'),
    writeSteps: statement('UPDATE guildway_jobs SET steps = ? WHERE id = ?'),
    postpone: statement('UPDATE guildway_jobs SET run_at = ?, reason = ? WHERE id = ?'),
    setAside: statement('UPDATE guildway_jobs SET set_aside_at = ?, reason = ? WHERE id = ?'),
    runAgain: statement(
      `UPDATE guildway_jobs SET set_aside_at = NULL, run_at = @now, attempts = 0
       WHERE set_aside_at IS NOT NULL AND id = ifnull(@id, id)`,
    ),
    drop: statement('DELETE FROM guildway_jobs WHERE set_aside_at IS NOT NULL AND id = ifnull(@id, id)'),
  };
}
