import { DatabaseSync } from 'node:sqlite';
import type { Row } from './history.ts';

/** The content of a pod's database after a run. */
export interface PodContent {
  readonly rows: readonly Row[];
  /** The number of requests that the pod still stores for other pods. */
  readonly hints: number;
}

/** Runs a query on a pod's database, read-only. The pod may be running. */
export function look<T>(path: string, question: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return question(database);
  } finally {
    database.close();
  }
}

const countIn = (database: DatabaseSync, table: string): number =>
  (database.prepare(`SELECT count(*) AS count FROM ${table}`).get() as { count: number }).count;

/** The number of rows that the bot has written. */
export const countRows = (path: string): number => look(path, (database) => countIn(database, 'operations'));

/** The number of requests that a pod stores for other pods. */
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

/** Reads the rows of all pods and the number of remaining hints. */
export function readPods(paths: readonly string[]): PodContent {
  const pods = paths.map((path, pod) => readPod(path, pod));
  return { rows: pods.flatMap(({ rows }) => rows), hints: pods.reduce((sum, { hints }) => sum + hints, 0) };
}
