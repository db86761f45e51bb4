import type { DatabaseSync } from 'node:sqlite';
import { type DeclaredTable, type DeclaredTables, declaredTables, sameName } from '../../bot/tables.ts';
import type { BotDefinition } from '../../bot/types.ts';
import { GuildwayError } from '../../errors.ts';
import type { Logger } from '../../observability/log.ts';
import { readTable, readTableNames, type TableSchema } from './table-schema.ts';

/** A table with rows of guilds, as the bot declares it and as the database has it. */
export interface GuildTable extends TableSchema {
  /** Where to find the guild id of a row: in a column, or in the row of another table that `on` refers to. */
  readonly guild: { readonly column: string } | { readonly via: GuildTable; readonly on: string; readonly key: string };
  /** What happens to a conflicting integer primary key when a row arrives at another pod. */
  readonly keys: 'renumber' | 'fixed';
}

/** Every table of a bot, grouped by the owner of its rows. The single source of this information. */
export interface GuildTables {
  /** Parents first. */
  readonly tables: readonly GuildTable[];
  readonly global: readonly string[];
  /** Tables that the bot does not declare. */
  readonly undeclared: readonly string[];
}

/**
 * Resolves the declared tables in a migrated database.
 * @throws GuildwayError BOT_INVALID for a missing table or column, or one that cannot identify the guild of a row
 */
export function resolveGuildTables(sqlite: DatabaseSync, bot: Pick<BotDefinition, 'tables' | 'global'>): GuildTables {
  const declared = declaredTables(bot);
  const existing = readTableNames(sqlite);
  const tables: GuildTable[] = [];
  for (const table of parentsFirst(declared)) tables.push(resolve(sqlite, table, tables));
  for (const name of declared.global) {
    if (!existing.all.some((known) => sameName(known, name))) throw missingTable(name);
  }
  const known = [...tables.map(({ name }) => name), ...declared.global];
  return {
    tables,
    global: declared.global,
    undeclared: existing.ownRows.filter((name) => !known.some((one) => sameName(one, name))),
  };
}

/**
 * Guilds that move would leave the rows of undeclared tables behind, so a bot on several pods must declare every table.
 * @throws GuildwayError BOT_INVALID with more than one pod
 */
export function refuseUndeclared({ undeclared }: GuildTables, pods: number, log: Logger): void {
  if (undeclared.length === 0) return;
  const names = undeclared.join(', ');
  const one = undeclared.length === 1;
  const example = undeclared[0] as string;
  const message =
    `the bot does not declare the ${one ? `table ${names}` : `tables ${names}`}, so the guilds of ` +
    `${one ? 'its' : 'their'} rows are unknown. Rows of guilds: list the table in \`tables\`, as '${example}' with the ` +
    `guild id in guild_id, { name: '${example}', guild: 'column' }, or { name: '${example}', guild: { via: 'table', on: 'column' } }. ` +
    `Rows without a guild: list it in \`global\``;
  if (pods > 1) throw new GuildwayError('BOT_INVALID', message, { facts: { undeclared } });
  log.warn({ undeclared }, `${message}. With more than one pod this stops the bot`);
}

/** Without an index on this column, reading a guild's rows scans the whole table. */
export function warnOfMissingIndexes({ tables }: GuildTables, log: Logger): void {
  for (const { name, guild, indexed } of tables) {
    const column = 'column' in guild ? guild.column : guild.on;
    if (indexed.some((known) => sameName(known, column))) continue;
    log.warn(
      { table: name },
      `this table has no index that starts with ${column}: finding a guild's rows reads all of it`,
    );
  }
}

function parentsFirst({ tables }: DeclaredTables): DeclaredTable[] {
  const depth = (table: DeclaredTable): number => {
    if (!('via' in table.guild)) return 0;
    const { via } = table.guild;
    return 1 + depth(tables.find(({ name }) => sameName(name, via)) as DeclaredTable);
  };
  return tables.toSorted((a, b) => depth(a) - depth(b));
}

function resolve(sqlite: DatabaseSync, declared: DeclaredTable, parents: readonly GuildTable[]): GuildTable {
  const schema = readTable(sqlite, declared.name);
  if (schema === null) throw missingTable(declared.name);
  const { keys } = declared;
  if ('column' in declared.guild) {
    const column = columnOf(schema, declared.guild.column);
    if (schema.affinity(column) === 'REAL') {
      throw invalid(
        `the column ${schema.name}.${column} is a floating-point number, which loses digits of guild ids: make it TEXT`,
      );
    }
    return { ...schema, guild: { column }, keys };
  }
  const { via, on } = declared.guild;
  const parent = parents.find(({ name }) => sameName(name, via)) as GuildTable;
  const column = columnOf(schema, on);
  return { ...schema, guild: { via: parent, on: column, key: keyFor(schema, column, parent) }, keys };
}

/** The column of the parent that `on` refers to, according to the foreign key or else the primary key. */
function keyFor(schema: TableSchema, on: string, parent: GuildTable): string {
  const reference = schema.references.find(({ columns }) => columns.length === 1 && sameName(columns[0] as string, on));
  if (reference !== undefined && !sameName(reference.table, parent.name)) {
    throw invalid(
      `${schema.name}.${on} is declared via ${parent.name}, but its foreign key refers to ${reference.table}: declare that one`,
    );
  }
  const [key, more] = reference?.targets ?? parent.key;
  if (key === undefined || more !== undefined) {
    throw invalid(
      `${schema.name} is declared via ${parent.name}, whose primary key is not one column: give ${schema.name}.${on} a foreign key to a unique column`,
    );
  }
  return columnOf(parent, key);
}

function columnOf({ name, columns, generated }: TableSchema, column: string): string {
  const found = [...columns, ...generated].find((known) => sameName(known.name, column));
  if (found !== undefined) return found.name;
  throw invalid(
    column === 'guild_id'
      ? `the table ${name} has no column guild_id, so a guild's rows cannot be found: add it, or declare { name: '${name}', guild: … }`
      : `the table ${name} has no column ${column}; it has ${columns.map((known) => known.name).join(', ')}`,
  );
}

const missingTable = (name: string): GuildwayError =>
  invalid(`the bot declares the table ${name}, but its migrations do not create it`);

const invalid = (message: string): GuildwayError => new GuildwayError('BOT_INVALID', message);
