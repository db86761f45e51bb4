import type { DatabaseSync } from 'node:sqlite';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { before, type Duration, type WallClock } from '../../../time.ts';
import type { Connection } from '../connection.ts';
import { blob, nullable, number, query, text } from '../rows.ts';

/** A guild in a copy, and the epoch of the move that gave it away. */
export interface SetAsideGuild {
  readonly guildId: string;
  readonly epoch: number;
}

/** Compressed copies of guilds that this pod has given away, one per batch, in case the new owner loses its volume. */
export class SetAside {
  readonly #connection: Connection;
  readonly #now: WallClock;
  readonly #statements: ReturnType<typeof prepare>;
  /** Copies in progress. */
  readonly #open = new Set<number>();
  /** Chunks without a guild may exist, from an expired or unfinished copy. */
  #hasOrphans = true;

  constructor(connection: Connection, now: WallClock) {
    this.#connection = connection;
    this.#now = now;
    this.#statements = prepare(connection.sqlite);
  }

  /** Reserves a number for a new copy. {@link keep} or {@link drop} releases it. */
  begin(): number {
    const batch = Math.max(this.#statements.next.one().batch, ...[...this.#open].map((open) => open + 1));
    this.#open.add(batch);
    return batch;
  }

  /** Adds chunks to a copy, inside the caller's transaction. @param chunks made by {@link compress} */
  add(batch: number, from: number, chunks: readonly Uint8Array[]): void {
    for (const [i, chunk] of chunks.entries()) this.#statements.add.run(batch, from + i, chunk);
  }

  /** Keeps a copy for these guilds, inside the caller's transaction. */
  keep(batch: number, guilds: readonly SetAsideGuild[]): void {
    for (const { guildId, epoch } of guilds) this.#statements.keep.run(guildId, epoch, batch, this.#now());
  }

  /** Ends a copy, finished or abandoned. */
  drop(batch: number): void {
    this.#open.delete(batch);
    this.#hasOrphans = true;
  }

  /** The number of the copy that was made when a guild was given away in an epoch. Null: the copy has been pruned. */
  find(guildId: string, epoch: number): number | null {
    return this.#statements.find.get(guildId, epoch)?.batch ?? null;
  }

  /** Reads all guilds and chunks of a copy. */
  read(batch: number): { readonly guildIds: string[]; readonly chunks: Buffer[] } {
    return {
      guildIds: this.#statements.guilds.all(batch).map((row) => row.guildId),
      chunks: this.#statements.chunks.all(batch).map((row) => zstdDecompressSync(row.chunk)),
    };
  }

  /** The number of guilds and bytes set aside. */
  totals(): { readonly guilds: number; readonly bytes: number } {
    const { guilds, bytes } = this.#statements.totals.one();
    return { guilds, bytes: bytes ?? 0 };
  }

  /**
   * Removes copies older than `keepMs`, and unfinished ones.
   * @param limit the most chunks to remove, so that no request waits long
   * @returns the number of removed chunks
   */
  prune(keepMs: Duration, limit: number): number {
    const { forget, removeOrphans, hasOld } = this.#statements;
    const moment = before(this.#now(), keepMs);
    const isOld = hasOld.get(moment) !== undefined;
    if (!isOld && !this.#hasOrphans) return 0;
    return this.#connection.transaction('normal', () => {
      if (isOld) forget.run(moment);
      const removed = Number(removeOrphans.run(JSON.stringify([...this.#open]), limit).changes);
      this.#hasOrphans = removed === limit;
      return removed;
    });
  }
}

/** Compresses a chunk for {@link SetAside.add}. */
export const compress = (chunk: Uint8Array): Buffer => zstdCompressSync(chunk);

function prepare(sqlite: DatabaseSync) {
  return {
    next: query(
      sqlite,
      `SELECT 1 + max(ifnull((SELECT max(batch) FROM guildway_set_aside_chunks), 0),
         ifnull((SELECT max(batch) FROM guildway_set_aside_guilds), 0)) AS batch`,
      { batch: number },
    ),
    add: sqlite.prepare('INSERT INTO guildway_set_aside_chunks (batch, sequence, chunk) VALUES (?, ?, ?)'),
    keep: sqlite.prepare(
      `INSERT INTO guildway_set_aside_guilds (guild_id, version, batch, set_aside_at) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET batch = excluded.batch, set_aside_at = excluded.set_aside_at`,
    ),
    find: query(sqlite, 'SELECT batch FROM guildway_set_aside_guilds WHERE guild_id = ? AND version = ?', {
      batch: number,
    }),
    guilds: query(
      sqlite,
      'SELECT guild_id AS guildId FROM guildway_set_aside_guilds WHERE batch = ? ORDER BY guild_id',
      { guildId: text },
    ),
    chunks: query(sqlite, 'SELECT chunk FROM guildway_set_aside_chunks WHERE batch = ? ORDER BY sequence', {
      chunk: blob,
    }),
    totals: query(
      sqlite,
      `SELECT (SELECT count(*) FROM guildway_set_aside_guilds) AS guilds,
         (SELECT sum(length(chunk)) FROM guildway_set_aside_chunks) AS bytes`,
      { guilds: number, bytes: nullable(number) },
    ),
    hasOld: sqlite.prepare('SELECT 1 FROM guildway_set_aside_guilds WHERE set_aside_at < ? LIMIT 1'),
    removeOrphans: sqlite.prepare(
      `DELETE FROM guildway_set_aside_chunks WHERE (batch, sequence) IN (
         SELECT batch, sequence FROM guildway_set_aside_chunks AS chunks WHERE NOT EXISTS (
           SELECT 1 FROM guildway_set_aside_guilds AS guilds WHERE guilds.batch = chunks.batch)
         AND batch NOT IN (SELECT value FROM json_each(?)) LIMIT ?)`,
    ),
    forget: sqlite.prepare('DELETE FROM guildway_set_aside_guilds WHERE set_aside_at < ?'),
  };
}
