import type { DatabaseSync } from 'node:sqlite';
import { query, text } from '../rows.ts';
import type { MovedTable } from './moved-tables.ts';

/**
 * Rows of large guilds that are not this pod's: it has given them away, and to remove them at once would take longer than the guild may
 * pause, or they have come in parts, and their move was given up. Every method that writes runs in a transaction of the caller's.
 */
export class Leftovers {
  readonly #sqlite: DatabaseSync;
  readonly #tables: readonly MovedTable[];
  readonly #statements: ReturnType<typeof prepare>;

  constructor(sqlite: DatabaseSync, tables: readonly MovedTable[]) {
    this.#sqlite = sqlite;
    this.#tables = tables;
    this.#statements = prepare(sqlite);
  }

  /** Guilds that are coming in parts: their rows stay. */
  readonly receiving = new Set<string>();

  get isEmpty(): boolean {
    return this.#first() === undefined;
  }

  add(guildId: string): void {
    this.#statements.add.run(guildId);
  }

  /** Removes up to `limit` rows. @returns how many were removed */
  removeSome(limit: number): number {
    const guildId = this.#first();
    if (guildId === undefined) return 0;
    const guilds = JSON.stringify([guildId]);
    // Rows that hang on others first: afterwards nobody knows whose they were.
    for (const table of this.#tables.toReversed()) {
      const { changes } = this.#sqlite.prepare(table.deleteSomeRows).run({ guilds, limit });
      if (changes > 0) return Number(changes);
    }
    this.remove(guildId);
    return 0;
  }

  /** Removes all rows of these guilds, which come back. */
  removeAll(guildIds: readonly string[]): void {
    const guilds = guildIds.filter((guildId) => this.#statements.has.get(guildId) !== undefined);
    if (guilds.length === 0) return;
    for (const table of this.#tables.toReversed())
      this.#sqlite.prepare(table.deleteRows).run({ guilds: JSON.stringify(guilds) });
    for (const guildId of guilds) this.remove(guildId);
  }

  /** The rows of a guild are this pod's. */
  remove(guildId: string): void {
    this.#statements.done.run(guildId);
  }

  #first(): string | undefined {
    return this.#statements.first.get(JSON.stringify([...this.receiving]))?.guildId;
  }
}

function prepare(sqlite: DatabaseSync) {
  return {
    first: query(
      sqlite,
      'SELECT guild_id AS guildId FROM guildway_leftovers WHERE guild_id NOT IN (SELECT value FROM json_each(?)) LIMIT 1',
      { guildId: text },
    ),
    has: sqlite.prepare('SELECT 1 FROM guildway_leftovers WHERE guild_id = ?'),
    add: sqlite.prepare('INSERT INTO guildway_leftovers (guild_id) VALUES (?) ON CONFLICT DO NOTHING'),
    done: sqlite.prepare('DELETE FROM guildway_leftovers WHERE guild_id = ?'),
  };
}
