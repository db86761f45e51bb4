import type { StatementSync } from 'node:sqlite';
import type { Connection } from './connection.ts';

/**
 * Which guilds have rows in the bot's tables. It jumps through each table's index from one guild to the next, so it costs a
 * look-up per guild and table, not one per row.
 */
export class GuildIndex {
  readonly #tables: readonly { readonly first: StatementSync; readonly next: StatementSync }[];

  constructor({ sqlite }: Connection, tables: readonly string[]) {
    // The names were checked by defineBot, and that the columns exist at start. As BigInts: an id in an INTEGER column fits no number.
    const prepare = (table: string, where: string): StatementSync => {
      const statement = sqlite.prepare(`SELECT min(guild_id) AS guildId FROM "${table}" ${where}`);
      statement.setReadBigInts(true);
      return statement;
    };
    this.#tables = tables.map((table) => ({
      first: prepare(table, ''),
      next: prepare(table, 'WHERE guild_id > ?'),
    }));
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
