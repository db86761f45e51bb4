import { GuildwayError } from '../../../errors.ts';
import { damaged } from './move-errors.ts';

/** A value as SQLite stores it. Integers are BigInts, which distinguishes them from floating-point numbers. */
export type StoredValue = null | bigint | number | string | Uint8Array;

/**
 * One part of a copy. A copy starts with a `head` chunk and ends with an `end` chunk.
 * - `keys`: integer keys of the rows that follow. Conflicts are known before the first row is written
 * - `rows`: rows, each with its guild
 * - `gone`: primary keys of rows from an earlier chunk that no longer exist or are sent again
 * - `cleared`: a table whose rows are all sent again; `keyless`: a table whose rows with a NULL in the primary key are sent
 *   again
 */
export type ChunkKind = 'head' | 'keys' | 'rows' | 'gone' | 'cleared' | 'keyless' | 'end';

const KINDS: readonly ChunkKind[] = ['head', 'keys', 'rows', 'gone', 'cleared', 'keyless', 'end'];

/** The entry that reaches this size ends the chunk, so a chunk is at most one row larger. */
const CHUNK_BYTES = 64 * 1024;

const TAG = { null: 0, integer: 1, real: 2, text: 3, blob: 4 } as const;

/** Writes a chunk. */
export class ChunkWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(kind: ChunkKind, capacity = CHUNK_BYTES) {
    this.#buffer = Buffer.allocUnsafe(Math.max(64, capacity));
    this.#buffer[this.#length++] = KINDS.indexOf(kind);
  }

  get isFull(): boolean {
    return this.#length >= CHUNK_BYTES;
  }

  get isEmpty(): boolean {
    return this.#length === 1;
  }

  number(value: number): void {
    this.#reserve(4);
    this.#length = this.#buffer.writeUInt32BE(value, this.#length);
  }

  value(value: StoredValue): void {
    if (value === null) {
      this.#tag(TAG.null, 0);
    } else if (typeof value === 'bigint') {
      this.#tag(TAG.integer, 8);
      this.#length = this.#buffer.writeBigInt64BE(value, this.#length);
    } else if (typeof value === 'number') {
      this.#tag(TAG.real, 8);
      this.#length = this.#buffer.writeDoubleBE(value, this.#length);
    } else if (typeof value === 'string') {
      const bytes = Buffer.byteLength(value);
      this.#tag(TAG.text, 4 + bytes);
      this.#length = this.#buffer.writeUInt32BE(bytes, this.#length);
      this.#length += this.#buffer.write(value, this.#length, 'utf8');
    } else {
      this.#tag(TAG.blob, 4 + value.length);
      this.#length = this.#buffer.writeUInt32BE(value.length, this.#length);
      this.#buffer.set(value, this.#length);
      this.#length += value.length;
    }
  }

  /** @returns the chunk. The writer cannot be used afterwards */
  end(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  #tag(tag: number, bytes: number): void {
    this.#reserve(1 + bytes);
    this.#buffer[this.#length++] = tag;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + bytes));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

/** Reads a chunk. Every method throws MOVE_DAMAGED for a truncated or malformed chunk. */
export class ChunkReader {
  readonly kind: ChunkKind;
  readonly #buffer: Buffer;
  #at = 1;

  constructor(chunk: Uint8Array) {
    this.#buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const kind = KINDS[this.#buffer[0] ?? KINDS.length];
    if (kind === undefined) throw damaged('a chunk has an unknown kind');
    this.kind = kind;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#buffer.length;
  }

  number(): number {
    return this.#buffer.readUInt32BE(this.#take(4));
  }

  value(): StoredValue {
    switch (this.#buffer[this.#take(1)]) {
      case TAG.null:
        return null;
      case TAG.integer:
        return this.#buffer.readBigInt64BE(this.#take(8));
      case TAG.real:
        return this.#buffer.readDoubleBE(this.#take(8));
      case TAG.text:
        return this.#bytes().toString('utf8');
      case TAG.blob:
        return this.#bytes();
      default:
        throw damaged('a value has an unknown type');
    }
  }

  values(count: number): StoredValue[] {
    const values: StoredValue[] = [];
    for (let i = 0; i < count; i++) values.push(this.value());
    return values;
  }

  #bytes(): Buffer {
    const length = this.number();
    const from = this.#take(length);
    return this.#buffer.subarray(from, from + length);
  }

  #take(bytes: number): number {
    const from = this.#at;
    if (from + bytes > this.#buffer.length) throw damaged('a chunk is truncated');
    this.#at += bytes;
    return from;
  }
}

/** A chunk with one JSON value. */
export function jsonChunk(kind: 'head' | 'end', value: unknown): Buffer {
  const text = JSON.stringify(value);
  const writer = new ChunkWriter(kind, text.length + 64);
  writer.value(text);
  return writer.end();
}

/** The JSON value of a chunk. @throws GuildwayError MOVE_DAMAGED */
export function readJson<Value>(reader: ChunkReader): Value {
  try {
    return JSON.parse(String(reader.value())) as Value;
  } catch (cause) {
    if (cause instanceof GuildwayError) throw cause;
    throw damaged('a chunk is not JSON', cause);
  }
}
