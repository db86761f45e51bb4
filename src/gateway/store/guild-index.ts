import type { StatementSync } from 'node:sqlite';
import type { Connection } from './connection.ts';
import type { GuildTables } from './guild-tables.ts';
import { quoteName } from './table-schema.ts';

/**
 * The guilds that have rows in the bot's tables. It skips through each table's index from guild to guild, so it costs a lookup
 * per guild and table, not per row.
 */
export class GuildIndex {
  readonly #tables: readonly { readonly first: StatementSync; readonly next: StatementSync }[];

  constructor({ sqlite }: Connection, { tables }: GuildTables) {
    // As BigInts: an id in an INTEGER column is not a safe integer.
    const prepare = (table: string, column: string, where: string): StatementSync => {
      const statement = sqlite.prepare(`SELECT min(${column}) AS guildId FROM ${quoteName(table)} ${where}`);
      statement.setReadBigInts(true);
      return statement;
    };
    // A table that is via another one has no guilds that the other has not.
    this.#tables = tables.flatMap((table) => {
      if (!('column' in table.guild)) return [];
      const column = quoteName(table.guild.column);
      return [{ first: prepare(table.name, column, ''), next: prepare(table.name, column, `WHERE ${column} > ?`) }];
    });
  }

  /** Ids in the order of text, at most `limit` of them. */
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
