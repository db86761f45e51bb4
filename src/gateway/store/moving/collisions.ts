import { DatabaseSync } from 'node:sqlite';
import { nullable, number, query, text } from '../rows.ts';
import { quoteName } from '../table-schema.ts';
import { RowReader } from './export.ts';
import { fixedBecause } from './key-map.ts';
import type { MovedTable } from './moved-tables.ts';

/** Rows that would conflict if two databases were merged. */
export interface Collision {
  readonly table: string;
  /** The columns of the primary key or of a unique index. */
  readonly columns: readonly string[];
  readonly count: number;
  /** The conflicting values of the first few rows. */
  readonly examples: readonly string[];
  /** Why a guild with such a row cannot move, and the remedy. Null: its rows get new keys. */
  readonly obstacle: string | null;
}

const MAX_EXAMPLES = 10;

/**
 * Finds rows with the same key in two databases. Read-only; no pod has to run.
 * @param paths two databases that both have `tables`
 */
export function findCollisions([path, other]: readonly [string, string], tables: readonly MovedTable[]): Collision[] {
  const sqlite = new DatabaseSync(path, { readOnly: true });
  try {
    sqlite.prepare('ATTACH ? AS other').run(other);
    return tables.flatMap((table) =>
      table.guildTable === null
        ? []
        : uniqueColumns(sqlite, table).flatMap((columns) => collisionOf(sqlite, table, columns, tables)),
    );
  } finally {
    sqlite.close();
  }
}

function collisionOf(
  sqlite: DatabaseSync,
  table: MovedTable,
  columns: readonly string[],
  tables: readonly MovedTable[],
): Collision[] {
  const own = quoteName(table.name);
  const matches = columns.map((column) => `one.${quoteName(column)} = two.${quoteName(column)}`).join(' AND ');
  const from = `FROM main.${own} AS one JOIN other.${own} AS two ON ${matches}`;
  const { count } = query(sqlite, `SELECT count(*) AS count ${from}`, { count: number }).one();
  if (count === 0) return [];
  const listed = columns.map((column) => `one.${quoteName(column)}`).join(', ');
  const rows = [...new RowReader(sqlite).rows(`SELECT ${listed} ${from} ORDER BY ${listed} LIMIT ${MAX_EXAMPLES}`, {})];
  const isIntegerKey =
    table.integerKey !== null && columns[0] === table.columns[table.integerKey]?.name && columns.length === 1;
  const largest = isIntegerKey ? largestKey(sqlite, `SELECT max(${listed}) AS largest ${from}`) : [];
  return [
    {
      table: table.name,
      columns,
      count,
      examples: rows.map((row) => row.map(String).join(', ')),
      obstacle: isIntegerKey
        ? fixedBecause(table, tables, largest)
        : 'Only an integer primary key can be replaced. Change or remove one of the rows',
    },
  ];
}

function largestKey(sqlite: DatabaseSync, sql: string): bigint[] {
  const statement = sqlite.prepare(sql);
  statement.setReadBigInts(true);
  const largest = statement.get()?.largest;
  return typeof largest === 'bigint' ? [largest] : [];
}

/** The primary key and the unique indexes, without indexes that contain the guild's column: these differ between guilds. */
function uniqueColumns(sqlite: DatabaseSync, table: MovedTable): string[][] {
  const rows = query(
    sqlite,
    `SELECT list.name AS "index", info.name FROM pragma_index_list(?) AS list, pragma_index_info(list.name) AS info
     WHERE list."unique" = 1 AND list.partial = 0 AND list.origin <> 'pk' ORDER BY list.seq, info.seqno`,
    { index: text, name: nullable(text) },
  ).all(table.name);
  const indexes = [...Map.groupBy(rows, ({ index }) => index).values()].map((parts) => parts.map(({ name }) => name));
  const key = table.key.map((at) => table.columns[at]?.name ?? null);
  const guild = table.columns[table.guildAt]?.name;
  return [key, ...indexes].filter(
    (columns): columns is string[] =>
      columns.length > 0 &&
      !columns.includes(null) &&
      (guild === undefined || !columns.includes(guild) || isVia(table)),
  );
}

const isVia = (table: MovedTable): boolean => table.guildTable !== null && 'via' in table.guildTable.guild;
