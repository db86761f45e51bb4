import type { DatabaseSync } from 'node:sqlite';
import type { GuildTable } from './guild-tables.ts';
import { number, query } from './rows.ts';
import { quoteName } from './table-schema.ts';

/**
 * Keys of AUTOINCREMENT tables come in blocks, and block k belongs to pod k % PODS. So the new rows of two pods never have the same
 * key. SQLite counts on from the largest key in the table, which may have arrived from another pod: then the pod begins its next
 * block above it. Every key stays below 2^53: 2^24 keys in a block, 2^14 pods, 2^15 blocks for each pod.
 */
const BLOCK = 2 ** 24;
const PODS = 2 ** 14;
/** A pod leaves a block before it is full, because it looks only now and then. */
const MOST_OF_BLOCK = BLOCK / 2;

/**
 * @param last the largest key until now; 0: none
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

/** Sees to it that AUTOINCREMENT continues in blocks of this pod. */
export class KeyRanges {
  readonly #ordinal: number;
  readonly #sequences: readonly Sequence[];

  /** @param pods with one pod nothing is changed: its keys are 1, 2, 3 */
  constructor(sqlite: DatabaseSync, options: { tables: readonly GuildTable[]; ordinal: number; pods: number }) {
    this.#ordinal = options.ordinal;
    const counted = options.pods === 1 ? [] : options.tables.filter(({ autoincrement }) => autoincrement);
    this.#sequences = counted.map((table) => sequenceOf(sqlite, table));
  }

  /** Call it in a transaction: at start, after rows have arrived, and every few seconds. It writes only when a block ends. */
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
