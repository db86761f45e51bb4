import { statSync } from 'node:fs';
import { GuildwayError } from '../../errors.ts';
import { holderPath, readHolder } from './lock.ts';

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/**
 * Refuses to create a database where one existed before. If the file is gone, SQLite would silently start empty and delete the
 * WAL, and the pod would answer for its guilds as if there had never been any data. Call it with the lock held, before opening.
 * @throws GuildwayError DATABASE_CORRUPT
 */
export function refuseLostData(databasePath: string): void {
  if (sizeOf(databasePath) > 0) return;
  const holder = readHolder(databasePath);
  const walBytes = sizeOf(`${databasePath}-wal`);
  if (holder === null && walBytes === 0) return;
  const evidence =
    holder === null
      ? `${databasePath}-wal still holds ${walBytes} bytes`
      : `gateway-${holder.ordinal} used it on ${holder.since} (incarnation ${holder.incarnation})`;
  throw new GuildwayError(
    'DATABASE_CORRUPT',
    `${databasePath} is missing or empty, but ${evidence}. Restore it from the backup. To start empty on purpose, first remove ${holderPath(databasePath)} and ${databasePath}-wal`,
    { facts: { databasePath, walBytes, holder } },
  );
}
