import { DatabaseSync } from 'node:sqlite';
import type { Row } from './history.ts';

/** What a pod's database holds after a run. */
export interface PodContent {
  readonly rows: readonly Row[];
  /** Requests that it still keeps for others. */
  readonly hints: number;
}

/** Reads the database of a pod that has ended, or runs; nothing is written. */
export function readPod(path: string, pod: number): PodContent {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const rows = database.prepare('SELECT operation, guild_id AS guildId, step FROM operations').all() as Omit<
      Row,
      'pod'
    >[];
    const { count } = database.prepare('SELECT count(*) AS count FROM guildway_hints').get() as { count: number };
    return { rows: rows.map((row) => ({ ...row, pod })), hints: count };
  } finally {
    database.close();
  }
}

/** How many rows a pod's database has, without reading them. */
export function countRows(path: string): number {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return (database.prepare('SELECT count(*) AS count FROM operations').get() as { count: number }).count;
  } finally {
    database.close();
  }
}

/** The rows of all pods, and the hints that are left. */
export function readPods(paths: readonly string[]): PodContent {
  const pods = paths.map((path, pod) => readPod(path, pod));
  return { rows: pods.flatMap(({ rows }) => rows), hints: pods.reduce((sum, { hints }) => sum + hints, 0) };
}
