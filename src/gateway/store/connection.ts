import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { GuildwayError } from '../../errors.ts';
import type { Faults } from '../faults.ts';
import { RECOVERY, toStoreError } from './sqlite-error.ts';

/**
 * When a commit is on disk.
 * - `full`: before it returns. For everything that somebody is told about.
 * - `normal`: with the next `full` commit or checkpoint. After a power loss the last ones may be gone, but never one without
 *   those after it, and a killed process loses none.
 */
export type Durability = 'full' | 'normal';

/** SQLite up to 3.51.2 may lose committed transactions when a WAL is reset while another process looks at it. */
const OLDEST_SAFE = [3, 51, 3] as const;

/** How long a statement waits for Litestream to let go of the database; it stops the whole process meanwhile. */
const BUSY_TIMEOUT_MS = 1_000;

/** @throws GuildwayError DATABASE_UNSAFE */
export function assertSafeSqlite(version: string): void {
  const parts = version.split('.').map(Number);
  for (const [i, oldest] of OLDEST_SAFE.entries()) {
    const part = parts[i] ?? 0;
    if (part > oldest) return;
    if (part < oldest) {
      throw new GuildwayError(
        'DATABASE_UNSAFE',
        `SQLite ${version} can lose committed data (its WAL-reset bug); use a Node with ${OLDEST_SAFE.join('.')} or newer`,
        { facts: { version } },
      );
    }
  }
}

/**
 * The one connection to the pod's database. It is synchronous, so transactions never overlap; every one is fenced: it looks
 * up whether this process still owns the database before it writes.
 */
export class Connection {
  readonly sqlite: DatabaseSync;
  readonly #faults: Faults;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  #durability: Durability = 'full';
  #fence: () => void = () => {};
  #fatal: GuildwayError | null = null;

  /**
   * Opens the database, making it when there is none, and checks it.
   * @throws GuildwayError DATABASE_CORRUPT, DATABASE_UNSAFE, STORE_FAILED
   */
  constructor(path: string, faults: Faults) {
    this.#faults = faults;
    try {
      this.sqlite = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    } catch (error) {
      throw toStoreError(error);
    }
    try {
      const { version } = this.sqlite.prepare('SELECT sqlite_version() AS version').get() as { version: string };
      assertSafeSqlite(version);
      this.sqlite.exec(`
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        PRAGMA foreign_keys = ON;
        -- 4 MiB; a WAL that has grown beyond 64 MiB during a long read is cut afterwards.
        PRAGMA wal_autocheckpoint = 1000;
        PRAGMA journal_size_limit = 67108864;
        PRAGMA cache_size = -32768;
      `);
      this.#check(path);
      this.#begin = this.sqlite.prepare('BEGIN IMMEDIATE');
      this.#commit = this.sqlite.prepare('COMMIT');
      this.#rollback = this.sqlite.prepare('ROLLBACK');
    } catch (error) {
      this.sqlite.close();
      throw toStoreError(error);
    }
  }

  /** FENCED or DATABASE_CORRUPT once that has happened: this process must not serve any more. */
  get fatal(): GuildwayError | null {
    return this.#fatal;
  }

  get inTransaction(): boolean {
    return this.sqlite.isTransaction;
  }

  /** @param fence throws FENCED; called inside every transaction, before its work */
  setFence(fence: () => void): void {
    this.#fence = fence;
  }

  /**
   * Runs `work` in one transaction. If it throws, nothing is written and the error comes back.
   * @throws GuildwayError FENCED, STORE_FAILED, DATABASE_CORRUPT
   */
  transaction<Result>(durability: Durability, work: () => Result): Result {
    if (this.inTransaction) throw new TypeError('a transaction inside another one: use the outer one for both');
    try {
      this.setDurability(durability);
      this.#begin.run();
      this.#fence();
      const result = work();
      this.#commit.run();
      return result;
    } catch (error) {
      // Some errors, such as a full disk, have already rolled it back.
      if (this.inTransaction) this.#rollback.run();
      throw this.noted(error);
    }
  }

  /** A transaction of the bot: as {@link transaction}, and where tests end the process. */
  botTransaction<Result>(durability: Durability, work: () => Result): Result {
    const result = this.transaction(durability, () => {
      const returned = work();
      this.#faults.killAt('kill-before-commit');
      return returned;
    });
    this.#faults.killAt('kill-after-commit');
    return result;
  }

  /** For what follows outside a transaction, too. */
  setDurability(durability: Durability): void {
    if (this.#durability === durability) return;
    this.sqlite.exec(durability === 'full' ? 'PRAGMA synchronous = FULL' : 'PRAGMA synchronous = NORMAL');
    this.#durability = durability;
  }

  /** What to throw instead of an error of SQLite's; remembers those that are fatal. */
  noted(error: unknown): unknown {
    const noted = toStoreError(error);
    if (noted instanceof GuildwayError && (noted.code === 'DATABASE_CORRUPT' || noted.code === 'FENCED')) {
      this.#fatal ??= noted;
    }
    return noted;
  }

  /** Writes the WAL into the database, so that the next start has nothing to recover, and closes. */
  close(): void {
    if (!this.sqlite.isOpen) return;
    try {
      this.sqlite.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch {
      // Somebody reads it or the disk is full: the WAL stays, which is as safe.
    }
    this.sqlite.close();
  }

  /** SQLite would notice damage only when it comes across it, and answer from the rest until then. */
  #check(path: string): void {
    const rows = this.sqlite.prepare('PRAGMA quick_check(3)').all() as { quick_check: string }[];
    const problems = rows.map(({ quick_check }) => quick_check).filter((line) => line !== 'ok');
    if (problems.length === 0) return;
    throw new GuildwayError('DATABASE_CORRUPT', `${path} is damaged (${problems.join('; ')}). ${RECOVERY}`, {
      facts: { path, problems },
    });
  }
}
