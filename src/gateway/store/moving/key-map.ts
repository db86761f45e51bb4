import type { DatabaseSync } from 'node:sqlite';
import { startOfKeys } from '../key-ranges.ts';
import { bigInt, nullable, query } from '../rows.ts';
import { quoteName } from '../table-schema.ts';
import type { StoredValue } from './chunks.ts';
import { RowReader } from './export.ts';
import { refused } from './move-errors.ts';
import type { MovedTable } from './moved-tables.ts';

/** Smaller than every Discord id. A larger key is a Discord id, not a number that SQLite counted. */
const SMALLEST_DISCORD_ID = 10n ** 16n;
const MAX_NAMED = 10;

interface TableKeys {
  /** From the key at the old owner to the key here. */
  readonly renumbered: Map<bigint, bigint>;
  /** The assigned keys. */
  readonly given: Set<bigint>;
  /** The largest known key of both pods. */
  last: bigint;
}

/** Maps the keys of imported rows. A conflicting key is replaced, in the row and in every reference to it. */
export class KeyMap {
  readonly #sqlite: DatabaseSync;
  readonly #tables: readonly MovedTable[];
  readonly #ordinal: number;
  readonly #keys = new Map<string, TableKeys>();

  /** @param ordinal of this pod */
  constructor(sqlite: DatabaseSync, tables: readonly MovedTable[], ordinal: number) {
    this.#ordinal = ordinal;
    this.#sqlite = sqlite;
    this.#tables = tables;
  }

  /**
   * Registers the keys of the rows that follow, before any row refers to them.
   * @throws GuildwayError MOVE_REFUSED, naming the rows, for a conflicting key that must not change
   */
  learn(table: MovedTable, keys: readonly bigint[], guildIds: readonly string[]): void {
    const known = this.#keysOf(table);
    for (const key of keys) if (key > known.last) known.last = key;
    const unknown = keys.filter((key) => !known.renumbered.has(key));
    const taken = this.#takenByOthers(table, unknown, guildIds).union(
      new Set(unknown.filter((key) => known.given.has(key))),
    );
    if (taken.size === 0) return;
    const why = fixedBecause(table, this.#tables, taken);
    if (why !== null)
      throw refused(`${table.name} has rows with the same key as arriving rows: ${list(taken)}. ${why}`);
    if (table.guildTable?.autoincrement === true) known.last = BigInt(startOfKeys(Number(known.last), this.#ordinal));
    for (const key of taken) {
      known.last++;
      known.renumbered.set(key, known.last);
      known.given.add(known.last);
    }
  }

  /** The values of a row, with replaced keys and references. */
  translate(table: MovedTable, values: StoredValue[]): StoredValue[] {
    if (table.integerKey !== null) this.#replace(table.name, values, table.integerKey);
    for (const { at, table: target } of table.references) {
      if (at !== table.integerKey || target !== table.name) this.#replace(target, values, at);
    }
    return values;
  }

  /** The key here of a row that was imported earlier. Null: no such row was imported. */
  translateKey(table: MovedTable, key: StoredValue[]): StoredValue[] | null {
    const [only] = key;
    if (table.integerKey !== null && typeof only === 'bigint') {
      const known = this.#keys.get(table.name);
      const given = known?.renumbered.get(only);
      if (given !== undefined) return [given];
      // Here this key was assigned to a different row.
      return known?.given.has(only) === true ? null : key;
    }
    for (const { at, table: target } of table.references) {
      const position = table.key.indexOf(at);
      if (position !== -1) this.#replace(target, key, position);
    }
    return key;
  }

  renumbered(): { table: string; from: bigint; to: bigint }[] {
    return [...this.#keys].flatMap(([table, keys]) => [...keys.renumbered].map(([from, to]) => ({ table, from, to })));
  }

  #replace(table: string, values: StoredValue[], at: number): void {
    const value = values[at];
    if (typeof value !== 'bigint') return;
    const given = this.#keys.get(table)?.renumbered.get(value);
    if (given !== undefined) values[at] = given;
  }

  #keysOf(table: MovedTable): TableKeys {
    const known = this.#keys.get(table.name);
    if (known !== undefined) return known;
    const column = columnName(table);
    const { last } = query(
      this.#sqlite,
      `SELECT max(${column}) AS last FROM ${quoteName(table.name)} WHERE ${column} < ?`,
      { last: nullable(bigInt) },
    ).one(SMALLEST_DISCORD_ID);
    const keys: TableKeys = { renumbered: new Map(), given: new Set(), last: last ?? 0n };
    this.#keys.set(table.name, keys);
    return keys;
  }

  /** Keys that rows of other guilds use. */
  #takenByOthers(table: MovedTable, keys: readonly bigint[], guildIds: readonly string[]): Set<bigint> {
    const column = columnName(table);
    const here = query(
      this.#sqlite,
      `SELECT ${column} AS key FROM ${quoteName(table.name)} WHERE ${column} IN (SELECT value FROM json_each(?))`,
      { key: bigInt },
    ).all(`[${keys.join()}]`);
    if (here.length === 0) return new Set();
    const own = new RowReader(this.#sqlite).rows(table.selectKeys, { guilds: JSON.stringify(guildIds) });
    return new Set(here.map(({ key }) => key)).difference(new Set([...own].map(([key]) => key)));
  }
}

/** The quoted name of the key column. */
const columnName = (table: MovedTable): string => quoteName(table.columns[table.integerKey ?? -1]?.name ?? '');

/** Why the keys of a table must not change, and the remedy. Null: they may be replaced. */
export function fixedBecause(table: MovedTable, tables: readonly MovedTable[], keys: Iterable<bigint>): string | null {
  if (table.guildTable?.keys === 'fixed')
    return `The table is declared with keys: 'fixed'. Change the keys of the rows`;
  for (const key of keys) {
    if (key >= SMALLEST_DISCORD_ID)
      return `${key} is a Discord id, not a number that the table counted. Remove one of the rows`;
  }
  const undeclared = tables.flatMap((other) =>
    other.columns.flatMap(({ name, type }, at) =>
      refersByName(name, type, table.name) && !other.references.some((reference) => reference.at === at)
        ? [`${other.name}.${name}`]
        : [],
    ),
  );
  if (undeclared.length === 0) return null;
  return `Their keys cannot be replaced, because ${undeclared.join(' and ')} seems to refer to them: declare the reference with a foreign key or with via`;
}

/** Whether a column's name suggests a reference to a table: `case_id`, `caseId` or `cases_id` for `cases`. */
function refersByName(column: string, type: string, table: string): boolean {
  if (!/int/i.test(type)) return false;
  const stem = column.toLowerCase().match(/^(.+?)_?id$/)?.[1];
  const name = table.toLowerCase();
  return (
    stem !== undefined &&
    [name, name.replace(/s$/, ''), name.replace(/es$/, ''), name.replace(/ies$/, 'y')].includes(stem)
  );
}

function list(keys: ReadonlySet<bigint>): string {
  const named = [...keys].slice(0, MAX_NAMED).join(', ');
  return keys.size > MAX_NAMED ? `${named} and ${keys.size - MAX_NAMED} more` : named;
}
