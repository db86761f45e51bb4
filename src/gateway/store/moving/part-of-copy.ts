import { ChunkReader, jsonChunk, readJson, type StoredValue } from './chunks.ts';
import { ChunkSum, chunksOf, type Head, writeRow } from './export.ts';
import { damaged } from './move-errors.ts';
import type { MovedTable } from './moved-tables.ts';

interface CopiedRow {
  readonly guildId: string;
  readonly values: StoredValue[];
}

/**
 * Extracts some guilds from a copy of one snapshot. The chunks equal those of an export of these guilds alone.
 * @throws GuildwayError MOVE_DAMAGED
 */
export function* partOfCopy(
  chunks: readonly Uint8Array[],
  guildIds: readonly string[],
  tables: readonly MovedTable[],
): Generator<Buffer> {
  const sum = new ChunkSum();
  const passed = (chunk: Buffer): Buffer => {
    sum.add(chunk);
    return chunk;
  };
  const first = new ChunkReader(chunks[0] ?? new Uint8Array());
  if (first.kind !== 'head') throw damaged('its head is missing');
  const head = readJson<Head>(first);
  const wanted = new Set(guildIds);
  yield passed(jsonChunk('head', { ...head, guildIds }));
  for (const [index, { integerKey }] of tables.entries()) {
    if (integerKey === null) continue;
    const keys = rowsIn(chunks, head, wanted, index);
    for (const chunk of chunksOf('keys', keys, (writer, { values }) => {
      writer.number(index);
      writer.value(values[integerKey] as StoredValue);
    }))
      yield passed(chunk);
  }
  const positions = new Map(guildIds.map((guildId, position) => [guildId, position]));
  for (const index of tables.keys()) {
    const rows = rowsIn(chunks, head, wanted, index);
    for (const chunk of chunksOf('rows', rows, (writer, { guildId, values }) => {
      writeRow(writer, index, [guildId, ...values], positions);
      sum.rows++;
    }))
      yield passed(chunk);
  }
  yield jsonChunk('end', sum.end());
}

/** The rows of one table. */
function* rowsIn(
  chunks: readonly Uint8Array[],
  head: Head,
  wanted: ReadonlySet<string>,
  index: number,
): Generator<CopiedRow> {
  for (const chunk of chunks) {
    const reader = new ChunkReader(chunk);
    if (reader.kind !== 'rows') continue;
    while (!reader.isAtEnd) {
      const table = reader.number();
      const guildId = head.guildIds[reader.number()] ?? '';
      const columns = head.schema.tables[table]?.columns;
      if (columns === undefined) throw damaged(`it has rows of an unknown table ${table}`);
      const values = reader.values(columns.length);
      if (table === index && wanted.has(guildId)) yield { guildId, values };
    }
  }
}
