import { ChunkReader, jsonChunk, readJson, type StoredValue } from './chunks.ts';
import { ChunkSum, chunksOf, type Head, writeRow } from './export.ts';
import { damaged } from './move-errors.ts';
import type { MovedTable } from './moved-tables.ts';

interface CopiedRow {
  readonly table: number;
  readonly guildId: string;
  readonly values: StoredValue[];
}

/**
 * A copy of some of the guilds of a copy, which must be of one snapshot.
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
  if (first.kind !== 'head') throw damaged('no beginning');
  const head = readJson<Head>(first);
  yield passed(jsonChunk('head', { ...head, guildIds }));
  const keys = [...rowsIn(chunks, head, guildIds)].flatMap(({ table, values }) => {
    const at = tables[table]?.integerKey ?? null;
    return at === null ? [] : [{ table, key: values[at] as StoredValue }];
  });
  for (const chunk of chunksOf('keys', keys, (writer, { table, key }) => {
    writer.number(table);
    writer.value(key);
  }))
    yield passed(chunk);
  const positions = new Map(guildIds.map((guildId, position) => [guildId, position]));
  for (const chunk of chunksOf('rows', rowsIn(chunks, head, guildIds), (writer, { table, guildId, values }) => {
    writeRow(writer, table, [guildId, ...values], positions);
    sum.rows++;
  }))
    yield passed(chunk);
  yield jsonChunk('end', sum.end());
}

function* rowsIn(chunks: readonly Uint8Array[], head: Head, guildIds: readonly string[]): Generator<CopiedRow> {
  const wanted = new Set(guildIds);
  for (const chunk of chunks) {
    const reader = new ChunkReader(chunk);
    if (reader.kind !== 'rows') continue;
    while (!reader.isAtEnd) {
      const table = reader.number();
      const guildId = head.guildIds[reader.number()] ?? '';
      const columns = head.schema.tables[table]?.columns;
      if (columns === undefined) throw damaged(`rows of a table ${table}`);
      const values = reader.values(columns.length);
      if (wanted.has(guildId)) yield { table, guildId, values };
    }
  }
}
