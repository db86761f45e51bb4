import type { RowReader } from './export.ts';
import type { MovedTable } from './moved-tables.ts';

/** The amount of data that moves with a guild. */
export interface GuildSize {
  rows: number;
  /** The approximate size of the values. */
  bytes: number;
}

/** Measures every guild in a database. Reads all tables once. @returns sizes by guild id */
export function guildSizes(reader: RowReader, tables: readonly MovedTable[]): Map<string, GuildSize> {
  const sizes = new Map<string, GuildSize>();
  for (const { sizeOfGuilds } of tables) {
    for (const [guildId, rows, bytes] of reader.rows(sizeOfGuilds, {})) {
      // Rows without a guild: NULL in the bot's tables, '' in Guildway's.
      if (guildId === null || guildId === '') continue;
      const size = sizes.get(String(guildId)) ?? { rows: 0, bytes: 0 };
      size.rows += Number(rows);
      size.bytes += Number(bytes);
      sizes.set(String(guildId), size);
    }
  }
  return sizes;
}

/** The rows and bytes of some guilds together. It looks at `limit` rows of each table at most. */
export function sizeOf(
  reader: RowReader,
  tables: readonly MovedTable[],
  guildIds: readonly string[],
  limit: number,
): Readonly<GuildSize> {
  const size: GuildSize = { rows: 0, bytes: 0 };
  for (const { sizeOfSomeRows } of tables) {
    const [[rows, bytes] = [0, 0]] = reader.rows(sizeOfSomeRows, { guilds: JSON.stringify(guildIds), limit });
    size.rows += Number(rows);
    size.bytes += Number(bytes);
  }
  return size;
}
