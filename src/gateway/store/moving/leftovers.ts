import type { DatabaseSync } from 'node:sqlite';
import { query, text } from '../rows.ts';
import type { MovedTable } from './moved-tables.ts';

/**
 * Rows of large guilds that this pod does not own: guilds that it has given away, whose rows would take too long to remove at
 * once, and guilds that arrived in parts before their move was abandoned. Call every writing method inside a transaction.
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

  /** Guilds that are arriving in parts: their rows stay. */
  readonly receiving = new Set<string>();

  get isEmpty(): boolean {
    return this.#first() === undefined;
  }

  add(guildId: string): void {
    this.#statements.add.run(guildId);
  }

  /** Removes up to `limit` rows. @returns how many rows and guilds are done; 0: none are left */
  removeSome(limit: number): number {
    let removed = 0;
    while (removed < limit) {
      const guildId = this.#first();
      if (guildId === undefined) break;
      const guilds = JSON.stringify([guildId]);
      // Child rows first: without their parents, their guild is unknown.
      for (const table of this.#tables.toReversed()) {
        if (removed < limit)
          removed += Number(this.#sqlite.prepare(table.deleteSomeRows).run({ guilds, limit: limit - removed }).changes);
      }
      if (removed >= limit) break;
      this.remove(guildId);
      removed++;
    }
    return removed;
  }

  /** Removes all leftover rows of guilds that are about to arrive again. */
  removeAll(guildIds: readonly string[]): void {
    const guilds = guildIds.filter((guildId) => this.#statements.has.get(guildId) !== undefined);
    if (guilds.length === 0) return;
    for (const table of this.#tables.toReversed())
      this.#sqlite.prepare(table.deleteRows).run({ guilds: JSON.stringify(guilds) });
    for (const guildId of guilds) this.remove(guildId);
  }

  /** The guild has no leftovers any more. */
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
