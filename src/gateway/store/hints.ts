import type { StatementSync } from 'node:sqlite';
import type { HeaderList } from '../../link/message.ts';
import type { WallClock, WallTime } from '../../time.ts';
import type { Connection } from './connection.ts';

/** The deferred response that the caller has got: none, a new message (5), or none visible on a component's message (6). */
export type Deferred = 0 | 5 | 6;

/** A request for another pod, as it is to be delivered. */
export interface NewHint {
  /** Such as `interaction:1234`. */
  readonly identity: string;
  /** Null: none; then the owner is pod 0. */
  readonly guildId: string | null;
  /** Path and query. */
  readonly target: string;
  /** Those of the original request that describe its body. */
  readonly headers: HeaderList;
  readonly body: Buffer;
  readonly bodyHash: string;
  readonly deferred: Deferred;
  /** The owner may have executed it: an attempt was sent, and its outcome is not known. */
  readonly uncertain: boolean;
  /** Unix milliseconds. */
  readonly expiresAt: WallTime;
}

/** A stored hint without its content: what its delivery is planned with. */
export interface HintEntry {
  /** Grows with the order of arrival. */
  readonly id: number;
  readonly identity: string;
  readonly guildId: string | null;
  readonly deferred: Deferred;
  readonly storedAt: WallTime;
  readonly expiresAt: WallTime;
}

/** A stored hint with everything that its delivery sends. */
export type Hint = Omit<NewHint, 'bodyHash'> & HintEntry;

/** `stored`: now on disk. `known`: it was there. `conflict`: its identity was there with another body. */
export type PutResult =
  | { readonly kind: 'stored'; readonly entry: HintEntry }
  | { readonly kind: 'known' | 'conflict' };

const ENTRY = `id, identity, NULLIF(guild_id, '') AS guildId, deferred, stored_at AS storedAt, expires_at AS expiresAt`;

/** `guildway_hints`. */
export class HintStore {
  readonly #connection: Connection;
  readonly #now: WallClock;
  readonly #insert: StatementSync;
  readonly #hashOf: StatementSync;
  readonly #list: StatementSync;
  readonly #read: StatementSync;
  readonly #remove: StatementSync;
  readonly #expired: StatementSync;
  readonly #uncertain: StatementSync;
  #count: number;
  #bytes: number;

  constructor(connection: Connection, now: WallClock) {
    const { sqlite } = connection;
    this.#connection = connection;
    this.#now = now;
    this.#insert = sqlite.prepare(
      `INSERT INTO guildway_hints
         (identity, guild_id, target, headers, body, body_hash, deferred, uncertain, stored_at, expires_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING ${ENTRY}`,
    );
    this.#hashOf = sqlite.prepare('SELECT body_hash AS bodyHash FROM guildway_hints WHERE identity = ?');
    this.#list = sqlite.prepare(`SELECT ${ENTRY} FROM guildway_hints ORDER BY id`);
    this.#read = sqlite.prepare(`SELECT ${ENTRY}, target, headers, body, uncertain FROM guildway_hints WHERE id = ?`);
    this.#remove = sqlite.prepare('DELETE FROM guildway_hints WHERE id = ? RETURNING length(body) AS bytes');
    this.#expired = sqlite.prepare('SELECT id FROM guildway_hints WHERE expires_at <= ? ORDER BY expires_at LIMIT ?');
    this.#uncertain = sqlite.prepare('UPDATE guildway_hints SET uncertain = 1 WHERE id = ? AND uncertain = 0');
    const sums = sqlite
      .prepare('SELECT COUNT(*) AS count, COALESCE(SUM(length(body)), 0) AS bytes FROM guildway_hints')
      .get();
    this.#count = sums?.count as number;
    this.#bytes = sums?.bytes as number;
  }

  get count(): number {
    return this.#count;
  }

  /** Of all bodies together. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Stores several hints in one transaction; they are on disk when this returns.
   * @throws GuildwayError STORE_FAILED: none of them is stored
   */
  put(hints: readonly NewHint[]): PutResult[] {
    const storedAt = this.#now();
    const results = this.#connection.transaction('full', () => hints.map((hint) => this.#putOne(hint, storedAt)));
    for (const [i, { kind }] of results.entries()) {
      if (kind !== 'stored') continue;
      this.#count++;
      this.#bytes += (hints[i] as NewHint).body.length;
    }
    return results;
  }

  /** All of them, in the order in which they arrived. */
  list(): HintEntry[] {
    return this.#list.all() as unknown as HintEntry[];
  }

  /** Null when it has been removed. */
  read(id: number): Hint | null {
    const row = this.#read.get(id);
    if (row === undefined) return null;
    return {
      ...(row as unknown as HintEntry),
      target: row.target as string,
      headers: JSON.parse(row.headers as string),
      body: Buffer.from(row.body as Uint8Array),
      uncertain: row.uncertain === 1,
    };
  }

  /** `normal`: one that comes back after a power loss is delivered again, and its owner knows it. */
  remove(id: number): void {
    const row = this.#connection.transaction('normal', () => this.#remove.get(id));
    if (row === undefined) return;
    this.#count--;
    this.#bytes -= row.bytes as number;
  }

  /** An attempt to deliver it is about to be sent: from now on it may have been executed. */
  markUncertain(id: number): void {
    this.#connection.transaction('normal', () => this.#uncertain.run(id));
  }

  /** Up to `limit` whose time is over, those first that have been longest. */
  expired(limit: number): number[] {
    return this.#expired.all(this.#now(), limit).map((row) => row.id as number);
  }

  #putOne(hint: NewHint, storedAt: WallTime): PutResult {
    const known = this.#hashOf.get(hint.identity);
    if (known !== undefined) return { kind: known.bodyHash === hint.bodyHash ? 'known' : 'conflict' };
    const entry = this.#insert.get(
      hint.identity,
      hint.guildId ?? '',
      hint.target,
      JSON.stringify(hint.headers),
      hint.body,
      hint.bodyHash,
      hint.deferred,
      hint.uncertain ? 1 : 0,
      storedAt,
      hint.expiresAt,
    );
    return { kind: 'stored', entry: entry as unknown as HintEntry };
  }
}
