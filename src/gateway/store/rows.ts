import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';
import type { WallTime } from '../../time.ts';

/** What a column of a result holds. */
export interface Column<Value> {
  /** For error messages, such as `an integer`. */
  readonly expected: string;
  readonly accepts: (value: unknown) => value is Value;
  /** Every integer of its rows is read as a BigInt. */
  readonly isBigInt?: boolean;
}

type Columns = Readonly<Record<string, Column<unknown>>>;

/** A row with these columns. */
export type RowOf<Named extends Columns> = {
  readonly [Name in keyof Named]: Named[Name] extends Column<infer Value> ? Value : never;
};

export const text: Column<string> = {
  expected: 'text',
  accepts: (value) => typeof value === 'string',
};

/** A safe integer or a floating-point number. */
export const number: Column<number> = {
  expected: 'a number',
  accepts: (value) => typeof value === 'number',
};

/** Unix milliseconds. */
export const wallTime: Column<WallTime> = {
  expected: 'a number',
  accepts: (value): value is WallTime => typeof value === 'number',
};

/** With one such column, SQLite returns every integer of the row as a BigInt. */
export const bigInt: Column<bigint> = {
  expected: 'an integer',
  accepts: (value) => typeof value === 'bigint',
  isBigInt: true,
};

export const blob: Column<Uint8Array> = {
  expected: 'a blob',
  accepts: (value) => value instanceof Uint8Array,
};

export const nullable = <Value>(column: Column<Value>): Column<Value | null> => ({
  expected: `${column.expected} or NULL`,
  accepts: (value): value is Value | null => value === null || column.accepts(value),
  isBigInt: column.isBigInt ?? false,
});

export function oneOf<const Value extends string | number>(...values: readonly Value[]): Column<Value> {
  const accepted: readonly unknown[] = values;
  return {
    expected: `one of ${values.join(', ')}`,
    accepts: (value): value is Value => accepted.includes(value),
  };
}

type AnyRow = Record<string, SQLOutputValue>;

/** A prepared statement whose rows have the columns that it was prepared with. */
export class Query<Row extends object> {
  readonly #statement: StatementSync;
  readonly #names: readonly string[];
  readonly #columns: readonly Column<unknown>[];

  /** @throws TypeError when the result of the SQL has other columns */
  constructor(sqlite: DatabaseSync, sql: string, columns: Columns) {
    this.#statement = sqlite.prepare(sql);
    this.#names = Object.keys(columns);
    this.#columns = Object.values(columns);
    if (this.#columns.some(({ isBigInt }) => isBigInt === true)) this.#statement.setReadBigInts(true);
    const found = this.#statement.columns().map(({ name }) => name);
    if (found.length !== this.#names.length || this.#names.some((name) => !found.includes(name)))
      throw new TypeError(`the result has the columns ${found.join(', ')}, not ${this.#names.join(', ')}: ${sql}`);
  }

  /** The first row. @throws TypeError for a value that its column does not accept; the errors of node:sqlite */
  get(...values: SQLInputValue[]): Row | undefined {
    const row = this.#statement.get(...values);
    if (row === undefined || this.#accepts(row)) return row;
    throw this.#mismatch(row);
  }

  /** The first row of SQL that always has one, such as an aggregate. @throws as {@link get} */
  one(...values: SQLInputValue[]): Row {
    const row = this.get(...values);
    if (row === undefined) throw new TypeError(`the result has no row: ${this.#statement.sourceSQL}`);
    return row;
  }

  /** Every row. @throws as {@link get} */
  all(...values: SQLInputValue[]): Row[] {
    const rows = this.#statement.all(...values);
    if (this.#acceptsAll(rows)) return rows;
    throw this.#mismatch(rows.find((row) => !this.#accepts(row)) ?? {});
  }

  #acceptsAll(rows: AnyRow[]): rows is (AnyRow & Row)[] {
    for (const row of rows) if (!this.#accepts(row)) return false;
    return true;
  }

  /** An indexed loop: it runs for each row of each request. */
  #accepts(row: AnyRow): row is AnyRow & Row {
    for (let at = 0; at < this.#names.length; at++) {
      if (this.#columns[at]?.accepts(row[this.#names[at] ?? '']) !== true) return false;
    }
    return true;
  }

  #mismatch(row: AnyRow): TypeError {
    const at = this.#columns.findIndex((column, i) => !column.accepts(row[this.#names[i] ?? '']));
    const name = this.#names[at] ?? '';
    return new TypeError(
      `the column ${name} holds ${shown(row[name])}, not ${this.#columns[at]?.expected}: ${this.#statement.sourceSQL}`,
    );
  }
}

/** Prepares SQL whose result has exactly these columns. @throws TypeError when it has others */
export const query = <const Named extends Columns>(
  sqlite: DatabaseSync,
  sql: string,
  columns: Named,
): Query<RowOf<Named>> => new Query(sqlite, sql, columns);

const shown = (value: unknown): string => (typeof value === 'string' ? JSON.stringify(value) : String(value));
