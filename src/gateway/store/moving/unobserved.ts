import type { Durability } from '../commit-group.ts';
import type { Connection } from '../connection.ts';
import type { GuildTables } from '../guild-tables.ts';
import { quoteName, readTriggers } from '../table-schema.ts';

/**
 * Runs `work` in a transaction that only moves rows: no trigger of the bot runs, except those that fill a virtual table, and no
 * foreign key is enforced or cascades. The rows that triggers wrote move too, and a cascade could reach other guilds.
 * @throws GuildwayError FENCED, STORE_FAILED, DATABASE_CORRUPT, and the errors of `work`; nothing is written then
 */
export function unobserved<Result>(
  connection: Connection,
  { tables, global }: GuildTables,
  work: () => Result,
  durability: Durability = 'full',
): Result {
  const { sqlite } = connection;
  const names = [...tables.map(({ name }) => name), ...global];
  const hasForeignKeys = tables.some(({ references }) => references.length > 0) || global.length > 0;
  const triggers = readTriggers(sqlite).filter(
    ({ table, fills }) => fills.length === 0 && names.some((name) => name.toLowerCase() === table.toLowerCase()),
  );
  // The pragma has no effect inside a transaction, so commit an open group first.
  if (hasForeignKeys) {
    connection.transaction('full', () => {});
    sqlite.exec('PRAGMA foreign_keys = OFF');
  }
  try {
    return connection.transaction(durability, () => {
      // The drop is part of the transaction: a crash restores the triggers.
      for (const { name } of triggers) sqlite.exec(`DROP TRIGGER ${quoteName(name)}`);
      const result = work();
      for (const { sql } of triggers) sqlite.exec(sql);
      return result;
    });
  } finally {
    if (hasForeignKeys) sqlite.exec('PRAGMA foreign_keys = ON');
  }
}
