import { hash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { number, query, text } from '../rows.ts';
import type { MovedTable } from './moved-tables.ts';

/** What two pods must have in common so that rows can move from one to the other. Plain data. */
export interface MoveSchema {
  /** `PRAGMA user_version`, with which a bot may count migrations of its own. */
  readonly userVersion: number;
  /** Hashes of the bot's migrations that have run. */
  readonly migrations: readonly string[];
  readonly tables: readonly {
    readonly name: string;
    readonly columns: readonly { readonly name: string; readonly type: string }[];
    /** Positions of the primary key's columns. */
    readonly key: readonly number[];
  }[];
}

export function readSchema(sqlite: DatabaseSync, tables: readonly MovedTable[]): MoveSchema {
  const { user_version: userVersion } = query(sqlite, 'PRAGMA user_version', { user_version: number }).one();
  const migrations = query(sqlite, "SELECT hash FROM guildway_migrations WHERE owner = 'bot' ORDER BY number", {
    hash: text,
  }).all();
  return {
    userVersion,
    migrations: migrations.map((row) => row.hash),
    tables: tables.map(({ name, columns, key }) => ({ name, columns, key })),
  };
}

/** Equal for equal schemas. */
export const fingerprintOf = (schema: MoveSchema): string => hash('sha256', JSON.stringify(schema), 'base64url');

/** How two schemas differ, in words; null: they do not. */
export function schemaDifference(here: MoveSchema, there: MoveSchema): string | null {
  const differences: string[] = [];
  for (const table of there.tables) {
    const own = here.tables.find(({ name }) => name === table.name);
    if (own === undefined) {
      differences.push(`the table ${table.name} is declared there, not here`);
      continue;
    }
    for (const column of table.columns) {
      const same = own.columns.find(({ name }) => name === column.name);
      if (same === undefined) differences.push(`the column ${table.name}.${column.name} is there, not here`);
      else if (same.type !== column.type)
        differences.push(
          `${table.name}.${column.name} is ${column.type || 'without a type'} there and ${same.type || 'without a type'} here`,
        );
    }
    for (const { name } of own.columns) {
      if (!table.columns.some((column) => column.name === name))
        differences.push(`the column ${table.name}.${name} is here, not there`);
    }
    if (differences.length === 0 && JSON.stringify(own) !== JSON.stringify(table))
      differences.push(`the table ${table.name} has other columns in its primary key, or its columns in another order`);
  }
  for (const { name } of here.tables) {
    if (!there.tables.some((table) => table.name === name))
      differences.push(`the table ${name} is declared here, not there`);
  }
  if (JSON.stringify(here.migrations) !== JSON.stringify(there.migrations))
    differences.push(
      `the bot has run ${there.migrations.length} migrations there and ${here.migrations.length} here, or others`,
    );
  if (here.userVersion !== there.userVersion)
    differences.push(`user_version is ${there.userVersion} there and ${here.userVersion} here`);
  return differences.length === 0 ? null : differences.join('; ');
}
