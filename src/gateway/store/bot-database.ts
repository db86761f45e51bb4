import type { StatementSync } from 'node:sqlite';
import type { Database, SqlValue } from '../../bot/types.ts';
import { asBot } from './bot-limits.ts';
import type { Connection, Durability } from './connection.ts';

/** A bot that puts values into its SQL makes a new statement each time; the oldest are given up. */
const MAX_STATEMENTS = 1_000;

interface BotStatement {
  readonly statement: StatementSync;
  readonly writes: boolean;
}

/** The statements of the bot, prepared once. Shared by all its contexts. */
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
    const prepared = { statement, writes };
    if (this.#cache.size >= MAX_STATEMENTS) this.#cache.delete(this.#cache.keys().next().value as string);
    this.#cache.set(sql, prepared);
    return prepared;
  }
}

/** The database as a bot's handler has it. A write outside a transaction is a fenced transaction of its own. */
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
    return this.#execute(sql, (statement) => statement.get(...values) as Row | undefined);
  }

  all<Row extends object>(sql: string, ...values: SqlValue[]): Row[] {
    return this.#execute(sql, (statement) => statement.all(...values) as Row[]);
  }

  run(sql: string, ...values: SqlValue[]): { changes: number; lastInsertRowid: number | bigint } {
    return this.#execute(sql, (statement) => {
      const { changes, lastInsertRowid } = statement.run(...values);
      return { changes: Number(changes), lastInsertRowid };
    });
  }

  #execute<Result>(sql: string, execute: (statement: StatementSync) => Result): Result {
    const { statement, writes } = this.#statements.get(sql);
    if (writes && !this.#connection.inTransaction) {
      return this.#connection.botTransaction(this.#durability, () => execute(statement));
    }
    try {
      return execute(statement);
    } catch (error) {
      throw this.#connection.noted(error);
    }
  }
}
