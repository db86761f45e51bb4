import type { StatementSync } from 'node:sqlite';
import type { Database, SqlValue } from '../../bot/types.ts';
import { asBot } from './bot-limits.ts';
import type { Durability } from './commit-group.ts';
import type { Connection } from './connection.ts';

/**
 * The maximum number of cached statements. A bot that puts values into its SQL text creates a new statement each time; the
 * oldest ones are dropped.
 */
const MAX_STATEMENTS = 1_000;

interface BotStatement {
  readonly statement: StatementSync;
  readonly writes: boolean;
  /** The statement returns every integer as a BigInt. */
  bigInts: boolean;
}

/** The bot's prepared statements, shared by all contexts. */
export class BotStatements {
  readonly #connection: Connection;
  readonly #cache = new Map<string, BotStatement>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  get(sql: string): BotStatement {
    const cached = this.#cache.get(sql);
    if (cached !== undefined) return cached;
    const { result: statement, writes } = asBot(this.#connection, () => this.#connection.sqlite.prepare(sql));
    // Retrying with BigInts would write twice, so a writing statement uses them from the start. Next to the write they cost
    // little.
    if (writes) statement.setReadBigInts(true);
    const prepared = { statement, writes, bigInts: writes };
    if (this.#cache.size >= MAX_STATEMENTS) this.#cache.delete(this.#cache.keys().next().value as string);
    this.#cache.set(sql, prepared);
    return prepared;
  }
}

/**
 * The database as a bot's handler sees it. A write outside a transaction is a fenced transaction of its own. Safe integers are
 * read as numbers, larger ones, such as guild ids, as BigInts.
 */
export class BotDatabase implements Database {
  readonly #connection: Connection;
  readonly #statements: BotStatements;
  readonly #durability: Durability;

  constructor(connection: Connection, statements: BotStatements, durability: Durability) {
    this.#connection = connection;
    this.#statements = statements;
    this.#durability = durability;
  }

  get<Row extends object>(sql: string, ...values: SqlValue[]): Row | undefined {
    return this.#execute(sql, ({ statement, bigInts }) => {
      const row = statement.get(...values) as Row | undefined;
      return row !== undefined && bigInts ? narrow(row) : row;
    });
  }

  all<Row extends object>(sql: string, ...values: SqlValue[]): Row[] {
    return this.#execute(sql, ({ statement, bigInts }) => {
      const rows = statement.all(...values) as Row[];
      return bigInts ? rows.map(narrow) : rows;
    });
  }

  run(sql: string, ...values: SqlValue[]): { changes: number; lastInsertRowid: number | bigint } {
    return this.#execute(sql, ({ statement }) => {
      const { changes, lastInsertRowid } = statement.run(...values);
      return { changes: Number(changes), lastInsertRowid: narrowInteger(lastInsertRowid) };
    });
  }

  #execute<Result>(sql: string, execute: (prepared: BotStatement) => Result): Result {
    const prepared = this.#statements.get(sql);
    if (prepared.writes && !this.#connection.inTransaction) {
      return this.#connection.join(this.#durability, 'bot', () => execute(prepared));
    }
    try {
      return execute(prepared);
    } catch (error) {
      if (prepared.bigInts || !isTooLargeForNumber(error)) throw this.#connection.noted(error);
      // For all later executions too: the column contains such values.
      prepared.statement.setReadBigInts(true);
      prepared.bigInts = true;
      return this.#execute(sql, execute);
    }
  }
}

/** Without BigInts, node:sqlite throws on an unsafe integer. */
const isTooLargeForNumber = (error: unknown): boolean =>
  error instanceof RangeError && (error as NodeJS.ErrnoException).code === 'ERR_OUT_OF_RANGE';

/** Returns a number if it is exact, so that the type depends on the value and not on the statement. */
function narrowInteger(value: number | bigint): number | bigint {
  if (typeof value === 'number') return value;
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

/** Applies {@link narrowInteger} to each value of a row, in place. */
function narrow<Row extends object>(row: Row): Row {
  const values = row as Record<string, unknown>;
  for (const [column, value] of Object.entries(values)) {
    if (typeof value === 'bigint') values[column] = narrowInteger(value);
  }
  return row;
}
