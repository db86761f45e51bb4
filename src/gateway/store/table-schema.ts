import type { DatabaseSync } from 'node:sqlite';
import { sameName } from '../../bot/tables.ts';
import { nullable, number, query, text } from './rows.ts';

/** How SQLite converts a value that is stored in a column or compared with it. */
type Affinity = 'TEXT' | 'INTEGER' | 'REAL' | 'NUMERIC' | 'BLOB';

interface Column {
  readonly name: string;
  /** The declared type; empty if there is none. */
  readonly type: string;
}

/** A foreign key. */
interface Reference {
  readonly columns: readonly string[];
  readonly table: string;
  /** Columns of `table`. */
  readonly targets: readonly string[];
}

/** A table as SQLite describes it. */
export interface TableSchema {
  readonly name: string;
  /** The stored columns, in order. */
  readonly columns: readonly Column[];
  /** The columns that SQLite computes. */
  readonly generated: readonly Column[];
  /** The columns of the primary key, in key order; empty without a primary key. */
  readonly key: readonly string[];
  readonly withoutRowid: boolean;
  /** The column that is an alias of the rowid, if there is one. */
  readonly integerKey: string | null;
  /** SQLite never assigns the same integer key twice. */
  readonly autoincrement: boolean;
  readonly references: readonly Reference[];
  /** The first column of each index. */
  readonly indexed: readonly string[];
  readonly affinity: (column: string) => Affinity;
}

/** Quotes the name of a table or a column. */
export const quoteName = (identifier: string): string => `"${identifier.replaceAll('"', '""')}"`;

/** Null: the table does not exist, or it is virtual or a view. */
export function readTable(sqlite: DatabaseSync, table: string): TableSchema | null {
  const listed = query(
    sqlite,
    "SELECT name, wr, strict FROM pragma_table_list(?) WHERE schema = 'main' AND type = 'table'",
    { name: text, wr: number, strict: number },
  ).get(table);
  if (listed === undefined) return null;
  const all = query(sqlite, 'SELECT name, type, pk, hidden FROM pragma_table_xinfo(?)', {
    name: text,
    type: text,
    pk: number,
    hidden: number,
  }).all(listed.name);
  const key = all
    .filter(({ pk }) => pk > 0)
    .toSorted((a, b) => a.pk - b.pk)
    .map((column) => column.name);
  const indexes = query(
    sqlite,
    `SELECT list.origin, info.name FROM pragma_index_list(?) AS list, pragma_index_info(list.name) AS info
     WHERE info.seqno = 0 AND info.name IS NOT NULL AND list.partial = 0`,
    { origin: text, name: text },
  ).all(listed.name);
  const only = key.length === 1 ? all.find((column) => column.name === key[0]) : undefined;
  // A primary key that is the rowid has no separate index; INTEGER PRIMARY KEY DESC has one.
  const isRowid =
    listed.wr === 0 &&
    only !== undefined &&
    /^integer$/i.test(only.type) &&
    !indexes.some(({ origin, name: column }) => origin === 'pk' && column === only.name);
  const { sql } = query(sqlite, "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", { sql: text }).one(
    listed.name,
  );
  const columns = all.filter(({ hidden }) => hidden === 0).map((column) => ({ name: column.name, type: column.type }));
  return {
    name: listed.name,
    columns,
    generated: all.filter(({ hidden }) => hidden > 1).map((column) => ({ name: column.name, type: column.type })),
    key,
    withoutRowid: listed.wr === 1,
    integerKey: isRowid ? only.name : null,
    autoincrement: isRowid && /\bAUTOINCREMENT\b/i.test(sql),
    references: readReferences(sqlite, listed.name),
    indexed: [...indexes.map((index) => index.name), ...(isRowid ? [only.name] : [])],
    affinity: (column) =>
      affinityOf(all.find((known) => sameName(known.name, column))?.type ?? '', listed.strict === 1),
  };
}

function readReferences(sqlite: DatabaseSync, table: string): Reference[] {
  const rows = query(sqlite, 'SELECT id, "table", "from", "to" FROM pragma_foreign_key_list(?) ORDER BY id, seq', {
    id: number,
    table: text,
    from: text,
    to: nullable(text),
  }).all(table);
  return [...Map.groupBy(rows, ({ id }) => id).values()].map((parts) => {
    const target = parts[0]?.table ?? '';
    const targets = parts.map(({ to }) => to).filter((to) => to !== null);
    return {
      columns: parts.map(({ from }) => from),
      table: target,
      targets: targets.length > 0 ? targets : keyOf(sqlite, target),
    };
  });
}

const keyOf = (sqlite: DatabaseSync, table: string): string[] =>
  query(sqlite, 'SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk', { name: text })
    .all(table)
    .map(({ name }) => name);

/** https://sqlite.org/datatype3.html#determination_of_column_affinity */
function affinityOf(type: string, strict: boolean): Affinity {
  if (/int/i.test(type)) return 'INTEGER';
  if (/char|clob|text/i.test(type)) return 'TEXT';
  if (type === '' || /blob/i.test(type) || (strict && /^any$/i.test(type))) return 'BLOB';
  return /real|floa|doub/i.test(type) ? 'REAL' : 'NUMERIC';
}

/** The tables of a bot. */
export interface TableNames {
  readonly all: readonly string[];
  /**
   * Tables with original rows: every ordinary table, and every virtual one (such as a full-text index) that no trigger fills.
   */
  readonly ownRows: readonly string[];
}

/** Excludes the tables of SQLite, Guildway and Litestream, and the shadow tables of virtual tables. */
export function readTableNames(sqlite: DatabaseSync): TableNames {
  const listed = query(
    sqlite,
    "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual') ORDER BY name",
    { name: text },
  ).all();
  const bots = listed.filter(({ name: table }) => !/^(?:sqlite_|guildway_|_litestream_)/i.test(table));
  const filled = new Set(readTriggers(sqlite).flatMap(({ fills }) => fills));
  return {
    all: bots.map((table) => table.name),
    ownRows: bots.filter((table) => !filled.has(table.name)).map((table) => table.name),
  };
}

interface Trigger {
  readonly name: string;
  readonly table: string;
  readonly sql: string;
  /**
   * The virtual tables that the trigger names. Their rows do not move: the trigger recreates them when the source rows arrive.
   */
  readonly fills: readonly string[];
}

export function readTriggers(sqlite: DatabaseSync): Trigger[] {
  const virtual = query(sqlite, "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'virtual'", {
    name: text,
  })
    .all()
    .map(({ name }) => name);
  const rows = query(
    sqlite,
    "SELECT name, tbl_name AS 'table', sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid",
    { name: text, table: text, sql: text },
  ).all();
  return rows.map((trigger) => ({
    ...trigger,
    fills: virtual.filter((table) => new RegExp(`(?<![\\w$])${RegExp.escape(table)}(?![\\w$])`, 'i').test(trigger.sql)),
  }));
}
