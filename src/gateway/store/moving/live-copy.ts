import type { Session } from 'node:sqlite';
import { GuildwayError } from '../../../errors.ts';
import type { WallClock } from '../../../time.ts';
import type { Connection } from '../connection.ts';
import { jsonChunk, type StoredValue } from './chunks.ts';
import { ChunkSum, chunksOf, exportRows, FORMAT, type Head, openSnapshot, RowReader, writeRow } from './export.ts';
import type { MovedTable } from './moved-tables.ts';
import { type ChangedRow, changedRows } from './patchset.ts';
import { digestOf } from './row-digest.ts';
import { fingerprintOf, type MoveSchema } from './schema.ts';
import { compress, type SetAside } from './set-aside.ts';

export interface LiveCopyOptions {
  readonly connection: Connection;
  readonly path: string;
  readonly tables: readonly MovedTable[];
  readonly schema: MoveSchema;
  readonly setAside: SetAside;
  readonly now: WallClock;
}

interface Watched {
  readonly index: number;
  readonly table: MovedTable;
  session: Session;
}

/**
 * Copies one guild while this pod serves it: {@link base}, then {@link changes} until few are left, and once more when writes
 * have stopped. SQLite's session extension records which rows change. It ignores rows without a primary key, so the last
 * changes contain all of these.
 */
export class LiveCopy implements Disposable {
  readonly guildId: string;
  /** The batch number of its set-aside copy. */
  readonly batch: number;
  readonly #options: LiveCopyOptions;
  readonly #reader: RowReader;
  readonly #watched: Watched[];
  /** Rows that no session records. */
  readonly #withoutKeys: readonly {
    readonly index: number;
    readonly kind: 'cleared' | 'keyless';
    readonly sql: string;
  }[];
  readonly #parameters: { readonly guilds: string; readonly now: bigint };
  readonly #head: Head;
  #chunks = 0;
  /** A digest of the rows without a primary key in the last changes. Null: these changes were not the last. */
  #withoutKey: string | null = null;
  #closed = false;

  constructor(guildId: string, options: LiveCopyOptions) {
    const { connection, tables, schema, setAside, now } = options;
    this.guildId = guildId;
    this.#options = options;
    this.#reader = new RowReader(connection.sqlite);
    this.#head = { format: FORMAT, fingerprint: fingerprintOf(schema), schema, guildIds: [guildId], now: now() };
    this.#parameters = { guilds: JSON.stringify([guildId]), now: BigInt(this.#head.now) };
    this.#withoutKeys = tables.flatMap((table, index) => {
      const sql = table.key.length === 0 ? table.selectRows : table.selectRowsWithoutKey;
      return sql === null ? [] : [{ index, kind: table.key.length === 0 ? 'cleared' : 'keyless', sql }];
    });
    this.batch = setAside.begin();
    connection.transaction('full', () => {});
    this.#watched = tables.flatMap((table, index) =>
      table.key.length === 0 ? [] : [{ index, table, session: this.#watch(table) }],
    );
  }

  /**
   * Copies the current rows. Call it in the same turn of the event loop as the constructor.
   * @yields chunks, while the rest of the process goes on
   */
  base(): Generator<Buffer> {
    const { path, tables, schema } = this.#options;
    const snapshot = openSnapshot(path);
    const { now } = this.#options;
    const rows = exportRows(new RowReader(snapshot), tables, schema, { guildIds: [this.guildId], now: now() });
    const keep = (chunk: Buffer): Buffer => this.#keep(chunk);
    return (function* () {
      try {
        for (const chunk of rows) yield keep(chunk);
      } finally {
        snapshot.close();
      }
    })();
  }

  /** Copies what has changed since the base or the previous changes. @param isLast writes have stopped */
  changes(isLast: boolean): Buffer[] {
    this.#options.connection.transaction('full', () => {});
    const changed = this.#watched.map((watched) => ({ ...watched, rows: this.#take(watched) }));
    const sum = new ChunkSum();
    const chunks: Buffer[] = [];
    const add = (chunk: Buffer): void => {
      sum.add(chunk);
      chunks.push(this.#keep(chunk));
    };
    add(jsonChunk('head', this.#head));
    const all = isLast ? this.#rowsWithoutKey() : [];
    this.#withoutKey = isLast ? digestOfRows(all) : null;
    const present = changed.map(({ index, table, rows }) => ({ index, table, rows: this.#present(table, rows) }));
    // Child rows first, across all changes: without their parents, their guild is unknown.
    for (const { index, kind } of this.#withoutKeys.toReversed()) {
      for (const chunk of chunksOf(kind, [index], (writer) => writer.number(index))) add(chunk);
    }
    for (const { index, table, rows } of changed.toReversed()) {
      for (const chunk of chunksOf('gone', rows, (writer, { key }) => {
        writer.number(index);
        for (const value of inKeyOrder(table, key)) writer.value(value);
      }))
        add(chunk);
    }
    for (const { index, table, rows } of present) {
      const at = table.integerKey;
      if (at === null) continue;
      for (const chunk of chunksOf('keys', rows, (writer, row) => {
        writer.number(index);
        writer.value(row[at + 1] as StoredValue);
      }))
        add(chunk);
    }
    const positions = new Map([[this.guildId, 0]]);
    for (const { index, rows } of [...present, ...all].toSorted((a, b) => a.index - b.index)) {
      for (const chunk of chunksOf('rows', rows, (writer, row) => {
        writeRow(writer, index, row, positions);
        sum.rows++;
      }))
        add(chunk);
    }
    const counts = isLast ? this.#counts() : undefined;
    chunks.push(this.#keep(jsonChunk('end', { ...sum.end(), counts })));
    return chunks;
  }

  /**
   * Call it in the transaction that gives the guild away.
   * @throws GuildwayError MOVE_OUTDATED when a row may have changed since the last changes
   */
  assertUnchanged(): void {
    const isChanged = this.#watched.some(({ table, session }) => {
      const rows = [...changedRows(session.patchset())];
      // The former guild of a deleted or reassigned row is unknown.
      const mayHaveLeft = ({ kind, written }: ChangedRow): boolean =>
        (kind === 'deleted' && !table.expires) ||
        (kind === 'updated' && (table.guildAt === -1 || written.includes(table.guildAt)));
      return rows.some(mayHaveLeft) || this.#present(table, rows).length > 0;
    });
    if (!isChanged && this.#withoutKey === digestOfRows(this.#rowsWithoutKey())) return;
    throw new GuildwayError(
      'MOVE_OUTDATED',
      'rows of the guild have changed since its last changes were copied: copy them again',
    );
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const { session } of this.#watched) session.close();
    this.#options.setAside.drop(this.batch);
  }

  #watch(table: MovedTable): Session {
    return this.#options.connection.sqlite.createSession({ table: table.name });
  }

  /** Takes the changed rows of a table, and starts a new session if there are any. */
  #take(watched: Watched): ChangedRow[] {
    const rows = [...changedRows(watched.session.patchset())];
    if (rows.length > 0) {
      watched.session.close();
      watched.session = this.#watch(watched.table);
      const original = this.#watched.find(({ index }) => index === watched.index);
      if (original !== undefined) original.session = watched.session;
    }
    return rows;
  }

  /** The changed rows that still exist and belong to the guild. */
  #present(table: MovedTable, rows: readonly ChangedRow[]): StoredValue[][] {
    return rows.flatMap(({ kind, key }) => {
      if (kind === 'deleted') return [];
      const named = Object.fromEntries(inKeyOrder(table, key).map((value, i) => [`key${i}`, value]));
      return [...this.#reader.rows(table.selectRow, { ...this.#parameters, ...named })];
    });
  }

  #rowsWithoutKey(): { index: number; rows: StoredValue[][] }[] {
    return this.#withoutKeys.map(({ index, sql }) => ({
      index,
      rows: [...this.#reader.rows(sql, this.#parameters)],
    }));
  }

  #counts(): number[] {
    return this.#options.tables.map((table) => {
      if (table.guildTable === null) return -1;
      const [row] = this.#reader.rows(table.countRows, this.#parameters);
      return Number(row?.[0] ?? 0);
    });
  }

  #keep(chunk: Buffer): Buffer {
    const { connection, setAside } = this.#options;
    const compressed = compress(chunk);
    connection.transaction('normal', () => setAside.add(this.batch, this.#chunks++, [compressed]));
    return chunk;
  }
}

/** A session lists key columns in the order of the table's columns. */
function inKeyOrder(table: MovedTable, values: readonly StoredValue[]): StoredValue[] {
  const inTableOrder = table.key.toSorted((a, b) => a - b);
  return table.key.map((at) => values[inTableOrder.indexOf(at)] as StoredValue);
}

const digestOfRows = (tables: readonly { readonly rows: readonly StoredValue[][] }[]): string =>
  digestOf(tables.flatMap(({ rows }) => [BigInt(rows.length), ...rows.flat()]));
