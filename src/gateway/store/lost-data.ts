import { statSync } from 'node:fs';
import { GuildwayError } from '../../errors.ts';
import { holderPath, readHolder } from './lock.ts';

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/**
 * Refuses to make a new database where one has been: SQLite would silently start empty when the file is gone, delete its WAL,
 * and the pod would answer for its guilds as if nothing had ever been there. Call it with the lock held, before opening.
 * @throws GuildwayError DATABASE_CORRUPT
 */
export function refuseLostData(databasePath: string): void {
  if (sizeOf(databasePath) > 0) return;
  const holder = readHolder(databasePath);
  const walBytes = sizeOf(`${databasePath}-wal`);
  if (holder === null && walBytes === 0) return;
  const evidence =
    holder === null
      ? `${databasePath}-wal has ${walBytes} bytes of it`
      : `gateway-${holder.ordinal} used it on ${holder.since} (incarnation ${holder.incarnation})`;
  throw new GuildwayError(
    'DATABASE_CORRUPT',
    `${databasePath} is missing or empty, but ${evidence}. Restore it from the backup. If it is meant to start empty, remove ${holderPath(databasePath)} and ${databasePath}-wal first`,
    { facts: { databasePath, walBytes, holder } },
  );
}
