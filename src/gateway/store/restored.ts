import { createdAt } from '../../protocol/discord.ts';
import type { WallTime } from '../../time.ts';
import type { Connection } from './connection.ts';
import { readHolder } from './lock.ts';
import { nullable, number, query, text } from './rows.ts';

/** A database that was restored from a backup. Requests acknowledged after the backup may be missing. */
export interface Restoration {
  /** The last start before the backup. */
  readonly incarnation: number;
  /** When the newest interaction in it was created, in Unix milliseconds. Null: it has none. */
  readonly newestInteractionAt: WallTime | null;
}

/**
 * Detects a restored database: one that was used before but not on this volume, or that is older than the last one used here.
 * Every start leaves a note next to the database, which backups do not contain. Call it before signing.
 */
export function findRestoration(databasePath: string, connection: Connection): Restoration | null {
  const { sqlite } = connection;
  const row = query(sqlite, 'SELECT incarnation FROM guildway_meta', { incarnation: number }).get();
  // Incarnation 0: no process has used it yet.
  if (row === undefined || row.incarnation === 0) return null;
  const holder = readHolder(databasePath);
  // A start that crashed before signing is ahead of the note. A refused start signs without an incarnation.
  if (holder !== null && (holder.incarnation ?? 0) <= row.incarnation) return null;
  // An interaction's id contains its creation time, and ids of equal length sort as text.
  const { newest } = query(
    sqlite,
    "SELECT MAX(identity) AS newest FROM guildway_ledger WHERE identity >= 'interaction:' AND identity < 'interaction;'",
    { newest: nullable(text) },
  ).one();
  return {
    incarnation: row.incarnation,
    newestInteractionAt: newest === null ? null : createdAt(newest.slice('interaction:'.length)),
  };
}
