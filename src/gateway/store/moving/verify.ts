import type { StoredValue } from './chunks.ts';
import type { RowReader } from './export.ts';
import type { MovedTable } from './moved-tables.ts';
import { digestOf } from './row-digest.ts';

/** A row that differs between two databases. */
export interface RowDifference {
  readonly table: string;
  /** The primary key, or all values if there is no key. */
  readonly key: string;
  /** `missing`: absent from the second database. `surplus`: only in the second. `changed`: another column differs. */
  readonly kind: 'missing' | 'surplus' | 'changed';
}

export interface CompareOptions {
  readonly tables: readonly MovedTable[];
  readonly guildIds: readonly string[];
  /** Keys that were replaced in the second database. */
  readonly renumbered?: readonly { readonly table: string; readonly from: bigint; readonly to: bigint }[];
  /** The maximum number of reported differences. Default: 100. */
  readonly limit?: number;
}

/**
 * Compares all rows of guilds in two databases, including values, types and expired rows.
 * @returns the differences; empty if there are none
 */
export function compareGuilds(one: RowReader, other: RowReader, options: CompareOptions): RowDifference[] {
  const { tables, guildIds, renumbered = [], limit = 100 } = options;
  const keys = new Map(renumbered.map(({ table, from, to }) => [`${table} ${from}`, to]));
  const parameters = { guilds: JSON.stringify(guildIds), now: 0n };
  const differences: RowDifference[] = [];
  for (const table of tables) {
    const expected = new Map<string, Row[]>();
    for (const values of one.rows(table.selectRows, parameters)) {
      const row = rowOf(table, translate(table, values, keys));
      expected.set(row.id, [...(expected.get(row.id) ?? []), row]);
    }
    for (const values of other.rows(table.selectRows, parameters)) {
      const row = rowOf(table, values);
      const same = expected.get(row.id)?.pop();
      if (same === undefined) differences.push({ table: table.name, key: row.key, kind: 'surplus' });
      else if (same.digest !== row.digest) differences.push({ table: table.name, key: row.key, kind: 'changed' });
      if (differences.length >= limit) return differences;
    }
    for (const { key } of [...expected.values()].flat()) {
      differences.push({ table: table.name, key, kind: 'missing' });
      if (differences.length >= limit) return differences;
    }
  }
  return differences;
}

interface Row {
  /** Identifies the same row in both databases. */
  readonly id: string;
  readonly digest: string;
  readonly key: string;
}

function rowOf(table: MovedTable, values: readonly StoredValue[]): Row {
  const digest = digestOf(values);
  const columns = values.slice(1);
  const key = table.key.map((at) => columns[at] as StoredValue);
  // A key that contains NULL does not identify a row.
  const hasKey = key.length > 0 && !key.includes(null);
  const named = hasKey ? table.key : columns.map((_, at) => at);
  return {
    id: hasKey ? digestOf(key) : digest,
    digest,
    key: named.map((at) => `${table.columns[at]?.name} ${show(columns[at] as StoredValue)}`).join(', '),
  };
}

function translate(table: MovedTable, values: StoredValue[], keys: ReadonlyMap<string, bigint>): StoredValue[] {
  const places = [...table.references.map(({ at, table: target }) => ({ at, target }))];
  if (table.integerKey !== null) places.push({ at: table.integerKey, target: table.name });
  const translated = [...values];
  for (const { at, target } of places) {
    const value = values[at + 1];
    const key = typeof value === 'bigint' ? keys.get(`${target} ${value}`) : undefined;
    if (key !== undefined) translated[at + 1] = key;
  }
  return translated;
}

const show = (value: StoredValue): string =>
  value instanceof Uint8Array ? `x'${Buffer.from(value).toString('hex')}'` : JSON.stringify(String(value));
