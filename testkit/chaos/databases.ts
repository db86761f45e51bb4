import { DatabaseSync } from 'node:sqlite';
import type { Row } from './history.ts';

/** What a pod's database holds after a run. */
export interface PodContent {
  readonly rows: readonly Row[];
  /** Requests that it still keeps for others. */
  readonly hints: number;
}

/** Looks into the database of a pod that has ended, or runs; nothing is written. */
function look<T>(path: string, question: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return question(database);
  } finally {
    database.close();
  }
}

const countIn = (database: DatabaseSync, table: string): number =>
  (database.prepare(`SELECT count(*) AS count FROM ${table}`).get() as { count: number }).count;

/** How many rows the bot has written. */
export const countRows = (path: string): number => look(path, (database) => countIn(database, 'operations'));

/** How many requests a pod keeps for others. */
export const countHints = (path: string): number => look(path, (database) => countIn(database, 'guildway_hints'));

function readPod(path: string, pod: number): PodContent {
  return look(path, (database) => {
    const rows = database.prepare('SELECT operation, guild_id AS guildId, step FROM operations').all();
    return {
      rows: (rows as unknown as Omit<Row, 'pod'>[]).map((row) => ({ ...row, pod })),
      hints: countIn(database, 'guildway_hints'),
    };
  });
}

/** The rows of all pods, and the hints that are left. */
export function readPods(paths: readonly string[]): PodContent {
  const pods = paths.map((path, pod) => readPod(path, pod));
  return { rows: pods.flatMap(({ rows }) => rows), hints: pods.reduce((sum, { hints }) => sum + hints, 0) };
}
