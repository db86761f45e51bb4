import type { DatabaseSync } from 'node:sqlite';
import type { GuildTable } from './guild-tables.ts';
import { number, query } from './rows.ts';
import { quoteName } from './table-schema.ts';

/**
 * AUTOINCREMENT keys come in blocks, and block k belongs to pod k % PODS, so new rows of two pods never share a key. SQLite
 * counts on from the largest key in the table, which may have arrived from another pod; the pod then starts its next block
 * above that key. Every key stays below 2^53: 2^24 keys per block, 2^14 pods, 2^15 blocks per pod.
 */
const BLOCK = 2 ** 24;
const PODS = 2 ** 14;
/** A pod leaves a block before it is full, because it checks only periodically. */
const MOST_OF_BLOCK = BLOCK / 2;

/**
 * @param last the largest key so far; 0: none
 * @returns the largest key to count on from: `last`, or the one before the pod's next block
 */
export function startOfKeys(last: number, ordinal: number): number {
  const block = Math.floor(Math.max(0, last) / BLOCK);
  if (block % PODS === ordinal && last - block * BLOCK < MOST_OF_BLOCK) return last;
  const round = Math.floor(block / PODS) + (block % PODS < ordinal ? 0 : 1);
  return (round * PODS + ordinal) * BLOCK;
}

interface Sequence {
  readonly last: () => number;
  readonly start: (last: number) => void;
}

/** Keeps AUTOINCREMENT within blocks of this pod. */
export class KeyRanges {
  readonly #ordinal: number;
  readonly #sequences: readonly Sequence[];

  /** @param pods a single pod keeps SQLite's own keys: 1, 2, 3 */
  constructor(sqlite: DatabaseSync, options: { tables: readonly GuildTable[]; ordinal: number; pods: number }) {
    this.#ordinal = options.ordinal;
    const counted = options.pods === 1 ? [] : options.tables.filter(({ autoincrement }) => autoincrement);
    this.#sequences = counted.map((table) => sequenceOf(sqlite, table));
  }

  /** Call it in a transaction: at start, after an import, and every few seconds. Writes only when a block ends. */
  advance(): void {
    for (const { last, start } of this.#sequences) {
      const until = last();
      const from = startOfKeys(until, this.#ordinal);
      if (from !== until) start(from);
    }
  }
}

function sequenceOf(sqlite: DatabaseSync, { name, integerKey }: GuildTable): Sequence {
  const key = quoteName(integerKey ?? '');
  const read = query(
    sqlite,
    `SELECT max(ifnull((SELECT seq FROM sqlite_sequence WHERE name = ?), 0), ifnull((SELECT max(${key}) FROM ${quoteName(name)}), 0)) AS last`,
    { last: number },
  );
  const update = sqlite.prepare('UPDATE sqlite_sequence SET seq = ? WHERE name = ?');
  const insert = sqlite.prepare('INSERT INTO sqlite_sequence (seq, name) VALUES (?, ?)');
  return {
    last: () => read.one(name).last,
    start(last) {
      if (update.run(BigInt(last), name).changes === 0) insert.run(BigInt(last), name);
    },
  };
}
