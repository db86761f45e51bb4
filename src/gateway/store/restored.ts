import { createdAt } from '../../protocol/discord.ts';
import type { WallTime } from '../../time.ts';
import type { Connection } from './connection.ts';
import { readHolder } from './lock.ts';
import { nullable, number, query, text } from './rows.ts';

/** A database that came from a backup. What was acknowledged after the backup was made may be missing. */
export interface Restoration {
  /** The last start that the backup knows of. */
  readonly incarnation: number;
  /** When the newest interaction in it was made, in Unix milliseconds; null when it has none. */
  readonly newestInteractionAt: WallTime | null;
}

/**
 * Finds out whether this database was used before, but not on this volume, or is older than what was used here last: then it is
 * a restored one. Every start leaves a note beside the database, which no backup of the database has. Call it before signing.
 */
export function findRestoration(databasePath: string, connection: Connection): Restoration | null {
  const { sqlite } = connection;
  const row = query(sqlite, 'SELECT incarnation FROM guildway_meta', { incarnation: number }).get();
  // Incarnation 0: no process has used it yet.
  if (row === undefined || row.incarnation === 0) return null;
  const holder = readHolder(databasePath);
  // A start that died before it could sign is ahead of the note; one that was refused signs without an incarnation.
  if (holder !== null && (holder.incarnation ?? 0) <= row.incarnation) return null;
  // An interaction's id carries its time, and ids of one length sort as text.
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
