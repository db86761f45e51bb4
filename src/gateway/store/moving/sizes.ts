import type { RowReader } from './export.ts';
import type { MovedTable } from './moved-tables.ts';

/** How much of a guild moves. */
export interface GuildSize {
  rows: number;
  /** Of the values, about. */
  bytes: number;
}

/**
 * The rows and bytes of every guild in a database. It reads all tables once.
 * @returns by guild id
 */
export function guildSizes(reader: RowReader, tables: readonly MovedTable[]): Map<string, GuildSize> {
  const sizes = new Map<string, GuildSize>();
  for (const { sizeOfGuilds } of tables) {
    for (const [guildId, rows, bytes] of reader.rows(sizeOfGuilds, {})) {
      // NULL: of no guild. '': of none of Guildway's.
      if (guildId === null || guildId === '') continue;
      const size = sizes.get(String(guildId)) ?? { rows: 0, bytes: 0 };
      size.rows += Number(rows);
      size.bytes += Number(bytes);
      sizes.set(String(guildId), size);
    }
  }
  return sizes;
}
