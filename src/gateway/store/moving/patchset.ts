import type { StoredValue } from './chunks.ts';

/** A row that has changed since a session began. */
export interface ChangedRow {
  /** The values of its primary key, in the order of the table's columns. */
  readonly key: readonly StoredValue[];
  readonly kind: 'inserted' | 'deleted' | 'updated';
  /** The indexes of the columns that an update wrote, among the stored columns. */
  readonly written: readonly number[];
}

const KINDS: Readonly<Record<number, ChangedRow['kind']>> = { 18: 'inserted', 9: 'deleted', 23: 'updated' };

/**
 * Reads the primary keys from a patchset of SQLite's session extension that covers one table. The format is documented at the
 * top of https://sqlite.org/src/file/ext/session/sqlite3session.c
 */
export function* changedRows(patchset: Uint8Array): Generator<ChangedRow> {
  const reader = new PatchsetReader(patchset);
  let inKey: boolean[] = [];
  while (!reader.isAtEnd) {
    const byte = reader.byte();
    if (byte === HEADER) {
      inKey = Array.from({ length: reader.varint() }, () => false).map(() => reader.byte() !== 0);
      reader.skipName();
      continue;
    }
    const kind = KINDS[byte];
    if (kind === undefined) throw new TypeError(`the patchset has an unknown operation ${byte}`);
    // Skip the flag that tells whether a trigger made the change.
    reader.byte();
    // A deleted row consists of its primary key only.
    const columns = kind === 'deleted' ? inKey.filter(Boolean) : inKey;
    const key: StoredValue[] = [];
    const written: number[] = [];
    for (const [at, isKey] of columns.entries()) {
      const isWritten = reader.isNextWritten;
      const value = reader.value();
      if (isKey) key.push(value);
      else if (kind === 'updated' && isWritten) written.push(at);
    }
    yield { kind, key, written };
  }
}

/** 'P' */
const HEADER = 0x50;

class PatchsetReader {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(patchset: Uint8Array) {
    this.#buffer = Buffer.from(patchset.buffer, patchset.byteOffset, patchset.byteLength);
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#buffer.length;
  }

  /** Whether the next value was written. */
  get isNextWritten(): boolean {
    return this.#buffer[this.#at] !== 0;
  }

  byte(): number {
    return this.#buffer.readUInt8(this.#at++);
  }

  /** Seven bits in a byte, the most significant first. Lengths need no more than five bytes. */
  varint(): number {
    let value = 0;
    for (;;) {
      const byte = this.byte();
      value = value * 128 + (byte & 0x7f);
      if (byte < 0x80) return value;
    }
  }

  skipName(): void {
    this.#at = this.#buffer.indexOf(0, this.#at) + 1;
  }

  value(): StoredValue {
    switch (this.byte()) {
      case 1:
        return this.#buffer.readBigInt64BE(this.#take(8));
      case 2:
        return this.#buffer.readDoubleBE(this.#take(8));
      case 3: {
        const length = this.varint();
        return this.#buffer.toString('utf8', this.#take(length), this.#at);
      }
      case 4: {
        const length = this.varint();
        return Uint8Array.prototype.slice.call(this.#buffer, this.#take(length), this.#at);
      }
      // 0: a column that has not changed. 5: NULL.
      default:
        return null;
    }
  }

  #take(bytes: number): number {
    const from = this.#at;
    this.#at += bytes;
    return from;
  }
}
