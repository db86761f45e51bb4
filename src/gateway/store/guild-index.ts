import type { StatementSync } from 'node:sqlite';
import type { Connection } from './connection.ts';

/**
 * Which guilds have rows in the bot's tables. It jumps through each table's index from one guild to the next, so it costs a
 * look-up per guild and table, not one per row.
 */
export class GuildIndex {
  readonly #next: readonly StatementSync[];

  constructor({ sqlite }: Connection, tables: readonly string[]) {
    // The names were checked by defineBot, and that the columns exist at start.
    this.#next = tables.map((table) =>
      sqlite.prepare(`SELECT min(guild_id) AS guildId FROM "${table}" WHERE guild_id > ?`),
    );
  }

  /** Ids in the order of text, at most `limit` of them. */
  list(limit: number): string[] {
    const found = new Set<string>();
    for (const statement of this.#next) {
      let after = '';
      for (let i = 0; i < limit; i++) {
        const next = statement.get(after)?.guildId;
        if (typeof next !== 'string') break;
        found.add(next);
        after = next;
      }
    }
    return [...found].toSorted().slice(0, limit);
  }
}
