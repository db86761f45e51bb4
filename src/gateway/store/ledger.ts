import type { StatementSync } from 'node:sqlite';
import { GuildwayError } from '../../errors.ts';
import type { Duration, WallClock } from '../../time.ts';
import type { Connection } from './connection.ts';
import { nullable, number, type Query, query, type RowOf, text } from './rows.ts';

/** The identity of a request. */
export interface Identity {
  /** Such as `interaction:1234`. */
  readonly key: string;
  /** The guild that the request belongs to and moves with. Null: none. */
  readonly guildId: string | null;
  /** A hash of the content: the same key with different content is refused. Null: the key alone is the identity. */
  readonly bodyHash: string | null;
  /** How long the identity is remembered. Must exceed the time in which the sender, or a stand-in, may repeat the request. */
  readonly retentionMs: Duration;
}

/** The recorded results of one handler's transactions, as JSON. Used inside these transactions. */
export interface StepMemo {
  /** Undefined: the step has not run. */
  read(step: number): string | undefined;
  write(step: number, value: string): void;
}

/** For requests without an identity: nothing is recorded, everything runs. */
export const NO_MEMO: StepMemo = Object.freeze({ read: () => undefined, write: () => {} });

/** What the ledger knows about an identity. */
export interface LedgerEntry {
  readonly bodyHash: string;
  /** The recorded final response, or null: the process ended before it was recorded. */
  readonly response: string | null;
  /** Whether its deferred response has been completed. */
  readonly completed: boolean;
}

/** The step of a response that needs its own row because the row of the first step has expired. */
const RESPONSE = -1;
const COMPLETED = -2;

/** The maximum length of a recorded result. Each repetition reads it, and it moves with the guild. */
const MAX_VALUE_LENGTH = 256 * 1024;

const STEP = { step: number, bodyHash: text, value: nullable(text), response: nullable(text) };
const COUNT = { kind: text, identities: number, rows: number };

/** Completed work by identity: `guildway_ledger`. */
export class Ledger {
  readonly #connection: Connection;
  readonly #now: WallClock;
  readonly #find: Query<RowOf<typeof STEP>>;
  readonly #read: Query<{ value: string | null }>;
  readonly #write: StatementSync;
  readonly #writeResponse: StatementSync;
  readonly #prune: StatementSync;
  readonly #count: Query<RowOf<typeof COUNT>>;

  constructor(connection: Connection, now: WallClock) {
    const { sqlite } = connection;
    this.#connection = connection;
    this.#now = now;
    this.#find = query(
      sqlite,
      'SELECT step, body_hash AS bodyHash, value, response FROM guildway_ledger WHERE identity = ? AND step < 1',
      STEP,
    );
    this.#read = query(sqlite, 'SELECT value FROM guildway_ledger WHERE identity = ? AND step = ?', {
      value: nullable(text),
    });
    this.#write = sqlite.prepare(
      `INSERT INTO guildway_ledger (identity, step, body_hash, value, expires_at, guild_id) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT DO NOTHING`,
    );
    this.#writeResponse = sqlite.prepare(
      'UPDATE guildway_ledger SET response = COALESCE(response, ?) WHERE identity = ? AND step = 0',
    );
    this.#prune = sqlite.prepare(
      `DELETE FROM guildway_ledger WHERE (identity, step) IN
         (SELECT identity, step FROM guildway_ledger WHERE expires_at < ? ORDER BY expires_at LIMIT ?)`,
    );
    this.#count = query(
      sqlite,
      `SELECT substr(identity, 1, instr(identity, ':') - 1) AS kind, COUNT(DISTINCT identity) AS identities, COUNT(*) AS rows
       FROM guildway_ledger GROUP BY 1`,
      COUNT,
    );
  }

  /** Null: the identity is unknown. */
  find(key: string): LedgerEntry | null {
    const rows = this.#find.all(key);
    const [first] = rows;
    if (first === undefined) return null;
    return {
      bodyHash: first.bodyHash,
      response:
        rows.map(({ step, value, response }) => (step === RESPONSE ? value : response)).find((text) => text !== null) ??
        null,
      completed: rows.some(({ step }) => step === COMPLETED),
    };
  }

  memo(identity: Identity): StepMemo {
    return {
      read: (step) => this.#read.get(identity.key, step)?.value ?? undefined,
      write: (step, value) => this.#insert(identity, step, value),
    };
  }

  /**
   * Records the final response. `normal` is enough: the steps before it are already on disk, and from them the handler produces
   * the same response again.
   */
  recordResponse(identity: Identity, response: string): void {
    assertRecordable(response);
    this.#connection.join('normal', 'other', () => {
      // The row of the first transaction may have expired meanwhile.
      if (this.#writeResponse.run(response, identity.key).changes === 0) this.#insert(identity, RESPONSE, response);
    });
  }

  /** Records that a deferred response has been completed, so that a repetition does not post it again. */
  async recordCompletion(identity: Identity): Promise<void> {
    this.#connection.join('normal', 'other', () => this.#insert(identity, COMPLETED, null));
    await this.settled();
  }

  /** Resolves when everything recorded and read so far is committed. @throws GuildwayError STORE_FAILED, FENCED */
  settled(): Promise<void> {
    return this.#connection.settled();
  }

  /** Deletes up to `limit` expired rows. @returns the number of deleted rows */
  prune(limit: number): number {
    return this.#connection.transaction('normal', () => Number(this.#prune.run(this.#now(), limit).changes));
  }

  count(): readonly RowOf<typeof COUNT>[] {
    return this.#count.all();
  }

  #insert({ key, guildId, bodyHash, retentionMs }: Identity, step: number, value: string | null): void {
    if (value !== null) assertRecordable(value);
    this.#write.run(key, step, bodyHash ?? '', value, this.#now() + retentionMs, guildId ?? '');
  }
}

/** @throws GuildwayError REQUEST_INVALID */
export function assertRecordable(value: string): void {
  if (value.length <= MAX_VALUE_LENGTH) return;
  throw new GuildwayError(
    'REQUEST_INVALID',
    `the result of a handler is ${value.length} characters long; it is recorded, so keep it below ${MAX_VALUE_LENGTH}`,
  );
}
