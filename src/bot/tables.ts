import { GuildwayError } from '../errors.ts';

/**
 * Where the guild id of a row is: the name of a column, or another table. `{ via: 'escalations', on: 'escalation_id' }`: the row
 * belongs to the guild of the row of `escalations` that its column `escalation_id` refers to.
 */
export type GuildColumn = string | { readonly via: string; readonly on: string };

/** A table with rows of guilds. Its name alone: the guild id is in the column `guild_id`. */
export type GuildTableDeclaration =
  | string
  | {
      readonly name: string;
      /** Default: the column `guild_id`. */
      readonly guild?: GuildColumn;
      /**
       * `renumber` (default): a row that moves to a pod where its integer primary key is taken gets a new one, and so does what
       * refers to it by a foreign key or by `via`. `fixed`: the key is also known elsewhere, such as in messages or in a
       * `custom_id`; a guild with such a row does not move.
       */
      readonly keys?: 'renumber' | 'fixed';
    };

/** A declaration with its defaults. */
export interface DeclaredTable {
  readonly name: string;
  readonly guild: { readonly column: string } | { readonly via: string; readonly on: string };
  readonly keys: 'renumber' | 'fixed';
}

/** Every table that a bot declares. */
export interface DeclaredTables {
  readonly tables: readonly DeclaredTable[];
  /** Tables that belong to no guild. */
  readonly global: readonly string[];
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** SQLite's names do not distinguish upper case from lower case. */
export const sameName = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase();

/**
 * Checks the tables of a definition and fills in the defaults.
 * @throws GuildwayError BOT_INVALID, naming what is wrong; whether the tables exist is known only to a pod
 */
export function declaredTables(definition: {
  readonly tables?: readonly GuildTableDeclaration[];
  readonly global?: readonly string[];
}): DeclaredTables {
  const tables = (definition.tables ?? []).map(withDefaults);
  const global = definition.global ?? [];
  const names: string[] = [];
  for (const name of [...tables.map((table) => table.name), ...global]) {
    assertName(name, 'a table');
    if (name.toLowerCase().startsWith('guildway_')) fail(`${quoted(name)}: names that start with guildway_ are taken`);
    if (names.some((known) => sameName(known, name))) fail(`the table ${quoted(name)} is declared twice`);
    names.push(name);
  }
  for (const table of tables) assertLeadsToGuild(table, tables);
  return { tables, global };
}

function withDefaults(declaration: GuildTableDeclaration): DeclaredTable {
  if (typeof declaration === 'string') return { name: declaration, guild: { column: 'guild_id' }, keys: 'renumber' };
  if (typeof declaration !== 'object' || declaration === null) {
    return fail(`${quoted(declaration)} is not a table: write its name, or { name, guild }`);
  }
  const { name, guild = 'guild_id', keys = 'renumber', ...unknown } = declaration;
  assertName(name, 'a table');
  const [surplus] = Object.keys(unknown);
  if (surplus !== undefined) fail(`the table ${quoted(name)} has an unknown option ${quoted(surplus)}`);
  if (keys !== 'renumber' && keys !== 'fixed') {
    fail(`the table ${quoted(name)}: keys is ${quoted(keys)}; it is 'renumber' or 'fixed'`);
  }
  if (typeof guild === 'string') {
    assertName(guild, `a column of ${quoted(name)}`);
    return { name, guild: { column: guild }, keys };
  }
  if (typeof guild !== 'object' || guild === null) {
    return fail(`the table ${quoted(name)}: guild is ${quoted(guild)}; it is a column, or { via: table, on: column }`);
  }
  assertName(guild.via, 'a table');
  assertName(guild.on, `a column of ${quoted(name)}`);
  return { name, guild: { via: guild.via, on: guild.on }, keys };
}

/** Follows `via` to a table with a guild id. */
function assertLeadsToGuild(table: DeclaredTable, tables: readonly DeclaredTable[]): void {
  const path = [table.name];
  let current = table;
  while ('via' in current.guild) {
    const { via } = current.guild;
    const next = tables.find(({ name }) => sameName(name, via));
    if (next === undefined) fail(`the table ${quoted(current.name)} is via ${quoted(via)}, which tables does not name`);
    path.push(next.name);
    if (path.indexOf(next.name) < path.length - 1) fail(`${path.join(' via ')}: none of these tables has a guild id`);
    current = next;
  }
}

function assertName(name: unknown, what: string): void {
  if (typeof name !== 'string' || !NAME.test(name)) fail(`${quoted(name)} is not the name of ${what}`);
}

const quoted = (value: unknown): string => JSON.stringify(value) ?? String(value);

function fail(why: string): never {
  throw new GuildwayError('BOT_INVALID', why);
}
