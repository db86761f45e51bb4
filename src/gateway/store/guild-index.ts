import type { DatabaseSync } from 'node:sqlite';
import { sameName } from '../../bot/tables.ts';
import { isSnowflake } from '../../routing/snowflake.ts';
import type { Connection } from './connection.ts';
import type { GuildTables } from './guild-tables.ts';
import { quoteName } from './table-schema.ts';

/** A table by its guilds. May yield values that are not guild ids. */
type GuildsOfTable = () => Iterable<unknown>;

/** The guilds that have rows in this database. */
export class GuildIndex {
  readonly #ofBot: readonly GuildsOfTable[];
  readonly #ofGuildway: readonly GuildsOfTable[];

  constructor({ sqlite }: Connection, { tables }: GuildTables) {
    // The parent of a `via` table already has all of its guilds.
    this.#ofBot = tables.flatMap(({ name, guild, indexed }) => {
      if (!('column' in guild)) return [];
      const isIndexed = indexed.some((column) => sameName(column, guild.column));
      return [isIndexed ? skipping(sqlite, name, guild.column) : reading(sqlite, name, guild.column)];
    });
    this.#ofGuildway = [
      skipping(sqlite, 'guildway_ledger', 'guild_id'),
      skipping(sqlite, 'guildway_session_guilds', 'guild_id'),
      skipping(sqlite, 'guildway_jobs', 'guild_id'),
      reading(sqlite, 'guildway_event_ledger', 'guild_id'),
      // What was handled of a guild without rows must move, too.
      skipping(sqlite, 'guildway_handled_events', 'guild_id'),
    ];
  }

  /**
   * Every guild with rows in the bot's tables or in Guildway's. A guild may come more than once.
   * @yields guild ids; the rows may change between two of them
   */
  *all(): Iterable<string> {
    for (const guilds of [...this.#ofBot, ...this.#ofGuildway]) yield* ids(guilds());
  }

  /** At most `limit` ids of guilds with rows in the bot's tables, sorted as text. */
  list(limit: number): string[] {
    const found = new Set<string>();
    for (const guilds of this.#ofBot) {
      for (const guildId of ids(guilds()).take(limit)) found.add(guildId);
    }
    return [...found].toSorted().slice(0, limit);
  }
}

function* ids(values: Iterable<unknown>): Generator<string> {
  for (const value of values) {
    const guildId = String(value);
    if (isSnowflake(guildId)) yield guildId;
  }
}

/** Skips through the table's index from guild to guild: one lookup per guild, regardless of the number of rows. */
function skipping(sqlite: DatabaseSync, table: string, column: string): GuildsOfTable {
  const prepare = (where: string) => {
    const statement = sqlite.prepare(`SELECT min(${quoteName(column)}) AS guildId FROM ${quoteName(table)} ${where}`);
    // Ids in INTEGER columns exceed safe integers.
    statement.setReadBigInts(true);
    return statement;
  };
  const first = prepare('');
  const next = prepare(`WHERE ${quoteName(column)} > ?`);
  return function* () {
    let guildId = first.get()?.guildId;
    while (guildId !== undefined && guildId !== null) {
      yield guildId;
      guildId = next.get(guildId)?.guildId;
    }
  };
}

/** Reads the whole table, which has no index by guild. */
function reading(sqlite: DatabaseSync, table: string, column: string): GuildsOfTable {
  const statement = sqlite.prepare(`SELECT DISTINCT ${quoteName(column)} AS guildId FROM ${quoteName(table)}`);
  statement.setReadBigInts(true);
  return () => statement.all().map(({ guildId }) => guildId);
}
