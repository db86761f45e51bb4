import type { DatabaseSync } from 'node:sqlite';
import { sameName } from '../../../bot/tables.ts';
import type { GuildTable, GuildTables } from '../guild-tables.ts';
import { quoteName, readTable, type TableSchema } from '../table-schema.ts';

/** A column that refers to the integer key of a table. When that key is replaced, so is the reference. */
interface KeyReference {
  /** The index of the column. */
  readonly at: number;
  readonly table: string;
}

/** A table whose rows move with their guild: a table of the bot or of Guildway. */
export interface MovedTable {
  readonly name: string;
  /** Names and types of the columns that move. */
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** The indexes of the primary key's columns; empty without a primary key. */
  readonly key: readonly number[];
  /** The index of the column that holds the guild id or the reference to the parent row. -1: the guild is computed. */
  readonly guildAt: number;
  /** The bot's table; null for one of Guildway's. */
  readonly guildTable: GuildTable | null;
  /** The index of the primary key if it is a single integer that may be replaced. */
  readonly integerKey: number | null;
  readonly references: readonly KeyReference[];
  /** Its rows are removed after a time. It does not matter if the new owner has one of those. */
  readonly expires: boolean;
  /**
   * SQL. `@guilds` is a JSON array of guild ids; `@now` decides what has expired. A row starts with its guild id as text,
   * followed by the columns.
   */
  readonly selectRows: string;
  /** The same for rows with a NULL in their primary key. Null: such rows cannot exist. */
  readonly selectRowsWithoutKey: string | null;
  /** The same for the row with one primary key: `@key0`, `@key1`, … */
  readonly selectRow: string;
  readonly countRows: string;
  /** Without parameters. Returns each guild, its number of rows, and their bytes. */
  readonly sizeOfGuilds: string;
  /** The number and bytes of the guilds' rows; it looks at `@limit` rows at most. */
  readonly sizeOfSomeRows: string;
  /** The integer keys of the guilds. */
  readonly selectKeys: string;
  readonly insertRow: string;
  readonly deleteRows: string;
  /** Deletes at most `@limit` rows. */
  readonly deleteSomeRows: string;
  readonly deleteRowsWithoutKey: string;
  /** Deletes the row with one primary key if it belongs to one of the guilds. */
  readonly deleteRow: string;
}

/**
 * What moves with a guild of Guildway's own tables. Where a row is known already, the one that arrives is not needed. Hints stay: the pod
 * that stored a request delivers it, to whichever pod owns the guild then.
 */
const OWN_TABLES: readonly { readonly name: string; readonly live?: string; readonly expires?: true }[] = [
  { name: 'guildway_ledger', live: 't0.expires_at > @now', expires: true },
  { name: 'guildway_event_ledger', expires: true },
  { name: 'guildway_session_guilds' },
  { name: 'guildway_handled_events', expires: true },
  { name: 'guildway_bot_guilds' },
  { name: 'guildway_jobs' },
];

/** Every table whose rows move, parents first. */
export function movedTables(sqlite: DatabaseSync, guildTables: GuildTables): MovedTable[] {
  const own = OWN_TABLES.map(({ name, live, expires = false }) => {
    const schema = readTable(sqlite, name) as TableSchema;
    return { ...describe({ ...schema, integerKey: null }, 'guild_id', { live, references: [] }), expires };
  });
  return [...movedBotTables(guildTables), ...own];
}

/** The bot's tables alone, parents first. */
export function movedBotTables({ tables }: GuildTables): MovedTable[] {
  return tables.map((table) => describe(table, null, { references: referencesOf(table, tables) }));
}

function describe(
  table: GuildTable | TableSchema,
  ownColumn: string | null,
  { live, references }: { live?: string | undefined; references: readonly KeyReference[] },
): MovedTable {
  const guildTable = 'guild' in table ? table : null;
  const { from, condition, guildId } = rowsOf(table, ownColumn);
  const guildColumn =
    guildTable === null ? ownColumn : 'on' in guildTable.guild ? guildTable.guild.on : guildTable.guild.column;
  const names = table.columns.map(({ name }) => quoteName(name));
  const key = table.key.map((column) => table.columns.findIndex(({ name }) => name === column));
  const keyNames = key.map((at) => `t0.${names[at]}`);
  const order = keyNames.length > 0 ? keyNames.join(', ') : `t0.${rowidOf(table)}`;
  const matches = keyNames.map((column, i) => `${column} = @key${i}`).join(' AND ');
  // The size as text overestimates numbers, which take at most eight bytes.
  const bytes = names.map((name) => `ifnull(length(CAST(t0.${name} AS BLOB)), 1)`).join(' + ');
  const isWithoutKey = keyNames.map((column) => `${column} IS NULL`).join(' OR ');
  const select = `SELECT ${guildId}, ${names.map((name) => `t0.${name}`).join(', ')} FROM ${from}`;
  const where = `WHERE ${[condition, ...(live === undefined ? [] : [live])].join(' AND ')}`;
  const integerKey =
    guildTable !== null && key.length === 1 && table.affinity(table.key[0] as string) === 'INTEGER'
      ? key[0]
      : undefined;
  // A rowid is never NULL, nor is a key of a table without rowid.
  const mayBeNull = key.length > 0 && !table.withoutRowid && table.integerKey === null;
  const own = quoteName(table.name);
  const rowid = table.withoutRowid ? keyColumnsOf(table) : rowidOf(table);
  const selected = table.withoutRowid ? table.key.map((column) => `t0.${quoteName(column)}`).join(', ') : `t0.${rowid}`;
  const these = (conditions: string): string =>
    `DELETE FROM ${own} WHERE ${table.withoutRowid && table.key.length > 1 ? `(${rowid})` : rowid} IN (SELECT ${selected} FROM ${from} ${conditions})`;
  return {
    name: table.name,
    columns: table.columns,
    key,
    guildAt: table.columns.findIndex((column) => column.name === guildColumn),
    guildTable,
    integerKey: integerKey ?? null,
    references,
    expires: false,
    selectRows: `${select} ${where} ORDER BY ${order}`,
    selectRowsWithoutKey: mayBeNull ? `${select} ${where} AND (${isWithoutKey}) ORDER BY t0.${rowidOf(table)}` : null,
    selectRow: `${select} ${where} AND ${matches}`,
    countRows: `SELECT count(*) FROM ${from} WHERE ${condition}`,
    sizeOfGuilds: `SELECT ${guildId}, count(*), sum(${bytes}) FROM ${from} GROUP BY 1`,
    sizeOfSomeRows: `SELECT count(*), ifnull(sum(bytes), 0) FROM (SELECT ${bytes} AS bytes FROM ${from} WHERE ${condition} LIMIT @limit)`,
    selectKeys: integerKey === undefined ? '' : `SELECT t0.${names[integerKey]} FROM ${from} ${where} ORDER BY 1`,
    insertRow: `INSERT INTO ${own} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})${
      guildTable === null ? ' ON CONFLICT DO NOTHING' : ''
    }`,
    // Expired rows are deleted too.
    deleteRows: these(`WHERE ${condition}`),
    deleteSomeRows: these(`WHERE ${condition} LIMIT @limit`),
    deleteRowsWithoutKey: mayBeNull ? these(`WHERE ${condition} AND (${isWithoutKey})`) : '',
    deleteRow: these(`WHERE ${condition} AND ${matches}`),
  };
}

/** The rows of a table, as t0, joined with the tables that it is `via`. */
function rowsOf(
  table: GuildTable | TableSchema,
  ownColumn: string | null,
): { from: string; condition: string; guildId: string } {
  let from = `${quoteName(table.name)} AS t0`;
  let current = table;
  let depth = 0;
  while ('guild' in current && 'via' in current.guild) {
    const { via, on, key } = current.guild;
    from += ` JOIN ${quoteName(via.name)} AS t${depth + 1} ON t${depth + 1}.${quoteName(key)} = t${depth}.${quoteName(on)}`;
    current = via;
    depth++;
  }
  const name = ownColumn ?? ('guild' in current && 'column' in current.guild ? current.guild.column : '');
  const column = `t${depth}.${quoteName(name)}`;
  // An untyped column stores ids as text or integers, whichever the bot wrote, so both forms match.
  const ids =
    current.affinity(name) === 'BLOB'
      ? 'SELECT value FROM json_each(@guilds) UNION ALL SELECT CAST(value AS INTEGER) FROM json_each(@guilds)'
      : 'SELECT value FROM json_each(@guilds)';
  return { from, condition: `${column} IN (${ids})`, guildId: `CAST(${column} AS TEXT)` };
}

/** Columns that hold integer keys of declared tables, by a foreign key or by `via`. */
function referencesOf(table: GuildTable, tables: readonly GuildTable[]): KeyReference[] {
  const positionOf = (column: string): number => table.columns.findIndex(({ name }) => sameName(name, column));
  const found = new Map<number, KeyReference>();
  const add = (column: string, target: string, targetColumn: string): void => {
    const parent = tables.find(({ name }) => sameName(name, target));
    const at = positionOf(column);
    if (
      parent === undefined ||
      at === -1 ||
      parent.key.length !== 1 ||
      !sameName(parent.key[0] as string, targetColumn)
    )
      return;
    found.set(at, { at, table: parent.name });
  };
  for (const { columns, table: target, targets } of table.references) {
    for (const [i, column] of columns.entries()) add(column, target, targets[i] ?? '');
  }
  if ('via' in table.guild) add(table.guild.on, table.guild.via.name, table.guild.key);
  return [...found.values()];
}

/** A name for the rowid that no column shadows. */
function rowidOf({ columns, generated }: TableSchema): string {
  const taken = [...columns, ...generated].map(({ name }) => name.toLowerCase());
  return ['rowid', '_rowid_', 'oid'].find((alias) => !taken.includes(alias)) ?? 'rowid';
}

const keyColumnsOf = ({ key }: TableSchema): string => key.map(quoteName).join(', ');
