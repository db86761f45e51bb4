import { hash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { number, query, text } from '../rows.ts';
import type { MovedTable } from './moved-tables.ts';

/** The schema that two pods must share so that rows can move between them. Plain data. */
export interface MoveSchema {
  /** `PRAGMA user_version`, which a bot may use to count its own migrations. */
  readonly userVersion: number;
  /** Hashes of the bot's applied migrations. */
  readonly migrations: readonly string[];
  readonly tables: readonly {
    readonly name: string;
    readonly columns: readonly { readonly name: string; readonly type: string }[];
    /** The indexes of the primary key's columns. */
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

/** Describes how two schemas differ; null if they are equal. */
export function schemaDifference(here: MoveSchema, there: MoveSchema): string | null {
  const differences: string[] = [];
  for (const table of there.tables) {
    const own = here.tables.find(({ name }) => name === table.name);
    if (own === undefined) {
      differences.push(`the table ${table.name} is declared there but not here`);
      continue;
    }
    for (const column of table.columns) {
      const same = own.columns.find(({ name }) => name === column.name);
      if (same === undefined) differences.push(`the column ${table.name}.${column.name} exists there but not here`);
      else if (same.type !== column.type)
        differences.push(
          `${table.name}.${column.name} is ${column.type || 'untyped'} there and ${same.type || 'untyped'} here`,
        );
    }
    for (const { name } of own.columns) {
      if (!table.columns.some((column) => column.name === name))
        differences.push(`the column ${table.name}.${name} exists here but not there`);
    }
    if (differences.length === 0 && JSON.stringify(own) !== JSON.stringify(table))
      differences.push(`the table ${table.name} has a different primary key or a different order of columns`);
  }
  for (const { name } of here.tables) {
    if (!there.tables.some((table) => table.name === name))
      differences.push(`the table ${name} is declared here but not there`);
  }
  if (JSON.stringify(here.migrations) !== JSON.stringify(there.migrations))
    differences.push(
      `the applied migrations of the bot differ: ${there.migrations.length} there, ${here.migrations.length} here`,
    );
  if (here.userVersion !== there.userVersion)
    differences.push(`user_version is ${there.userVersion} there and ${here.userVersion} here`);
  return differences.length === 0 ? null : differences.join('; ');
}
