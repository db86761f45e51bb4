import type { StatementSync } from 'node:sqlite';
import type { Connection } from './connection.ts';
import type { GuildTables } from './guild-tables.ts';
import { quoteName } from './table-schema.ts';

/**
 * The guilds that have rows in the bot's tables. Skips through each table's index from guild to guild: one lookup per guild and
 * table, regardless of the number of rows.
 */
export class GuildIndex {
  readonly #tables: readonly { readonly first: StatementSync; readonly next: StatementSync }[];

  constructor({ sqlite }: Connection, { tables }: GuildTables) {
    // Ids in INTEGER columns exceed safe integers.
    const prepare = (table: string, column: string, where: string): StatementSync => {
      const statement = sqlite.prepare(`SELECT min(${column}) AS guildId FROM ${quoteName(table)} ${where}`);
      statement.setReadBigInts(true);
      return statement;
    };
    // The parent of a `via` table already has all of its guilds.
    this.#tables = tables.flatMap((table) => {
      if (!('column' in table.guild)) return [];
      const column = quoteName(table.guild.column);
      return [{ first: prepare(table.name, column, ''), next: prepare(table.name, column, `WHERE ${column} > ?`) }];
    });
  }

  /** At most `limit` ids, sorted as text. */
  list(limit: number): string[] {
    const found = new Set<string>();
    for (const { first, next } of this.#tables) {
      let guildId = first.get()?.guildId;
      for (let i = 0; i < limit && (typeof guildId === 'string' || typeof guildId === 'bigint'); i++) {
        found.add(String(guildId));
        guildId = next.get(guildId)?.guildId;
      }
    }
    return [...found].toSorted().slice(0, limit);
  }
}
