import { createHash } from 'node:crypto';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { WallTime } from '../../../time.ts';
import { type ChunkKind, ChunkWriter, jsonChunk, type StoredValue } from './chunks.ts';
import type { MovedTable } from './moved-tables.ts';
import { fingerprintOf, type MoveSchema } from './schema.ts';

/** The version of the chunk format. */
export const FORMAT = 1;

export interface Head {
  readonly format: number;
  readonly fingerprint: string;
  readonly schema: MoveSchema;
  /** Rows refer to a guild by its index here. */
  readonly guildIds: readonly string[];
  /** Rows that had expired by then are not in the copy. Unix milliseconds. */
  readonly now: number;
}

export interface End {
  readonly rows: number;
  /** The SHA-256 of all previous chunks. */
  readonly checksum: string;
  /** Present after the last changes: the number of rows of the guilds in each table; -1: not counted. */
  readonly counts?: readonly number[] | undefined;
}

/** Counts and hashes chunks as they pass. */
export class ChunkSum {
  readonly #hash = createHash('sha256');
  rows = 0;
  bytes = 0;

  add(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.bytes += chunk.length;
  }

  /** Finishes the sum. */
  end(): End {
    return { rows: this.rows, checksum: this.#hash.digest('base64url') };
  }
}

/** Runs SQL on one database and caches the statements. Each row is an array; integers are BigInts. */
export class RowReader {
  readonly #sqlite: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(sqlite: DatabaseSync) {
    this.#sqlite = sqlite;
  }

  *rows(sql: string, values: Readonly<Record<string, StoredValue>>): Generator<StoredValue[]> {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#sqlite.prepare(sql);
      statement.setReadBigInts(true);
      statement.setReturnArrays(true);
      statement.setAllowUnknownNamedParameters(true);
      this.#statements.set(sql, statement);
    }
    // The types of node:sqlite do not know setReturnArrays.
    for (const row of statement.iterate(values)) if (Array.isArray(row)) yield row;
  }
}

/** Opens a connection that keeps seeing the current content of the database. */
export function openSnapshot(path: string): DatabaseSync {
  const snapshot = new DatabaseSync(path, { readOnly: true });
  // SQLite takes the snapshot at the first read.
  snapshot.exec('BEGIN; SELECT 1 FROM guildway_meta');
  return snapshot;
}

/** What to export. */
export interface Selection {
  readonly guildIds: readonly string[];
  readonly now: WallTime;
}

/**
 * Exports all rows of some guilds. Equal rows produce equal chunks.
 * @param reader reads one snapshot
 * @yields chunks of bounded size
 */
export function* exportRows(
  reader: RowReader,
  tables: readonly MovedTable[],
  schema: MoveSchema,
  { guildIds, now }: Selection,
): Generator<Buffer, End> {
  const sum = new ChunkSum();
  const passed = (chunk: Buffer): Buffer => {
    sum.add(chunk);
    return chunk;
  };
  const head: Head = { format: FORMAT, fingerprint: fingerprintOf(schema), schema, guildIds, now };
  yield passed(jsonChunk('head', head));
  const parameters = { guilds: JSON.stringify(guildIds), now: BigInt(now) };
  for (const [index, table] of tables.entries()) {
    if (table.integerKey === null) continue;
    const keys = reader.rows(table.selectKeys, parameters);
    for (const chunk of chunksOf('keys', keys, (writer, [key]) => {
      writer.number(index);
      writer.value(key as StoredValue);
    }))
      yield passed(chunk);
  }
  const positions = new Map(guildIds.map((guildId, position) => [guildId, position]));
  for (const [index, table] of tables.entries()) {
    const rows = reader.rows(table.selectRows, parameters);
    for (const chunk of chunksOf('rows', rows, (writer, row) => {
      writeRow(writer, index, row, positions);
      sum.rows++;
    }))
      yield passed(chunk);
  }
  const end = sum.end();
  yield jsonChunk('end', end);
  return end;
}

export function writeRow(
  writer: ChunkWriter,
  table: number,
  [guildId, ...values]: StoredValue[],
  positions: ReadonlyMap<string, number>,
): void {
  writer.number(table);
  // A value such as '01' in an untyped column matches no requested id, so it has no position.
  writer.number(positions.get(String(guildId)) ?? 0);
  for (const value of values) writer.value(value);
}

/** Writes entries one after another into chunks of one kind. */
export function* chunksOf<Entry>(
  kind: Exclude<ChunkKind, 'head' | 'end'>,
  entries: Iterable<Entry>,
  write: (writer: ChunkWriter, entry: Entry) => void,
): Generator<Buffer> {
  let writer: ChunkWriter | null = null;
  for (const entry of entries) {
    writer ??= new ChunkWriter(kind, 4_096);
    write(writer, entry);
    if (!writer.isFull) continue;
    yield writer.end();
    writer = null;
  }
  if (writer !== null) yield writer.end();
}
