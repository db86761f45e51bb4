import { DatabaseSync } from 'node:sqlite';
import type { BotDefinition } from '../../../bot/types.ts';
import { GuildwayError } from '../../../errors.ts';
import { isSnowflake } from '../../../routing/snowflake.ts';
import type { TopologyRecord } from '../../../routing/topology.ts';
import { resolveGuildTables } from '../guild-tables.ts';
import { type PlacementState, readPlacement } from '../placement.ts';
import { number, query, text } from '../rows.ts';
import { RowReader } from './export.ts';
import { type MovedTable, movedBotTables, movedTables } from './moved-tables.ts';
import { type MoveSchema, readSchema } from './schema.ts';
import { guildSizes } from './sizes.ts';

/** What a gateway pod's database holds, as far as a change of the topology matters. Plain data, so that it can travel as JSON. */
export interface Inventory {
  /** Ordinal of the pod whose rows these are, and the topology that placed them. Null: the database is empty. */
  readonly placement: {
    readonly ordinal: number;
    readonly topology: TopologyRecord;
    readonly state: PlacementState;
  } | null;
  /** Guilds move already: the newest topology. */
  readonly movingTo: TopologyRecord | null;
  /** Guild id, rows, bytes. */
  readonly guilds: readonly (readonly [guildId: string, rows: number, bytes: number])[];
  /** Rows whose guild id no guild can have, with one such id. */
  readonly strayRows: { readonly rows: number; readonly example: string } | null;
  readonly schema: MoveSchema;
  /** Tables that the bot declares neither in `tables` nor in `global`. */
  readonly undeclared: readonly string[];
}

/** A database that is read while a pod may use it. */
export interface OpenedInventory extends Disposable {
  readonly inventory: Inventory;
  /** Reads the same snapshot as the inventory. */
  readonly reader: RowReader;
  readonly tables: readonly MovedTable[];
}

/**
 * Reads a database without changing it. A pod may serve from it meanwhile: all that is read is one snapshot.
 * @throws GuildwayError BOT_INVALID when the bot's tables are not there; STORE_FAILED when it cannot be read
 */
export function openInventory(path: string, bot: Pick<BotDefinition, 'tables' | 'global'>): OpenedInventory {
  let sqlite: DatabaseSync;
  try {
    sqlite = new DatabaseSync(path, { readOnly: true });
    sqlite.exec('BEGIN; SELECT 1 FROM sqlite_schema');
  } catch (cause) {
    throw new GuildwayError('STORE_FAILED', `${path} cannot be read as a database: ${(cause as Error).message}`, {
      cause,
    });
  }
  try {
    const guildTables = resolveGuildTables(sqlite, bot);
    // A bot that ran before Guildway, or under an older version of it, has none of these, or others.
    const tables = hasOwnTables(sqlite) ? movedTables(sqlite, guildTables) : movedBotTables(guildTables);
    const reader = new RowReader(sqlite);
    return {
      inventory: readInventory(sqlite, reader, tables, guildTables.undeclared),
      reader,
      tables,
      [Symbol.dispose]: () => sqlite.close(),
    };
  } catch (error) {
    sqlite.close();
    throw error;
  }
}

function readInventory(
  sqlite: DatabaseSync,
  reader: RowReader,
  tables: readonly MovedTable[],
  undeclared: readonly string[],
): Inventory {
  const placement = readPlacement({ sqlite });
  const elsewhere = new Set(guildsElsewhere(sqlite));
  const guilds: [string, number, number][] = [];
  const stray = { rows: 0, example: '' };
  for (const [guildId, { rows, bytes }] of guildSizes(reader, tables)) {
    if (elsewhere.has(guildId)) continue;
    if (isSnowflake(guildId)) guilds.push([guildId, rows, bytes]);
    else {
      stray.rows += rows;
      stray.example ||= guildId;
    }
  }
  return {
    placement: placement && { ordinal: placement.ordinal, topology: placement.topology, state: placement.state },
    movingTo: readMovingTo(sqlite),
    guilds,
    strayRows: stray.rows === 0 ? null : stray,
    schema: hasTable(sqlite, 'guildway_migrations') ? readSchema(sqlite, tables) : schemaWithout(sqlite, tables),
    undeclared,
  };
}

const hasTable = (sqlite: DatabaseSync, name: string): boolean =>
  sqlite.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(name) !== undefined;

/** The last table that the store's own migrations made. */
const hasOwnTables = (sqlite: DatabaseSync): boolean => hasTable(sqlite, 'guildway_guild_records');

/** Guilds whose rows are here although another pod owns them: they arrive just now, or have left and are being removed. */
function guildsElsewhere(sqlite: DatabaseSync): string[] {
  if (!hasOwnTables(sqlite)) return [];
  const sql = `SELECT guild_id AS guildId FROM guildway_leftovers
    UNION SELECT guild_id FROM guildway_guild_records WHERE state IN ('arriving', 'moved', 'awaiting')`;
  return query(sqlite, sql, { guildId: text })
    .all()
    .map(({ guildId }) => guildId);
}

function readMovingTo(sqlite: DatabaseSync): TopologyRecord | null {
  if (!hasTable(sqlite, 'guildway_moving')) return null;
  const row = query(sqlite, 'SELECT chain FROM guildway_moving', { chain: text }).get();
  const chain = row === undefined ? [] : (JSON.parse(row.chain) as TopologyRecord[]);
  return chain.length > 1 ? (chain.at(-1) ?? null) : null;
}

/** Of a database that Guildway has not opened yet. */
function schemaWithout(sqlite: DatabaseSync, tables: readonly MovedTable[]): MoveSchema {
  const { userVersion } = query(sqlite, 'SELECT user_version AS userVersion FROM pragma_user_version', {
    userVersion: number,
  }).one();
  return { userVersion, migrations: [], tables: tables.map(({ name, columns, key }) => ({ name, columns, key })) };
}
