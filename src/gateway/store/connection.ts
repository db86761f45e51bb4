import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { GuildwayError } from '../../errors.ts';
import type { Faults } from '../faults.ts';
import { CommitGroup, type Durability, type Member, type PendingCommit } from './commit-group.ts';
import { query, text } from './rows.ts';
import { RECOVERY, toStoreError } from './sqlite-error.ts';

/** SQLite up to 3.51.2 may lose committed transactions when a WAL is reset while another process reads it. */
const OLDEST_SAFE = [3, 51, 3] as const;

/** How long a statement waits while Litestream locks the database. It blocks the whole process. */
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
 * The only connection to the pod's database. It is synchronous, so transactions never overlap. Every commit is fenced: it first
 * checks that this process still owns the database.
 */
export class Connection {
  readonly sqlite: DatabaseSync;
  readonly #faults: Faults;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  readonly #savepoint: StatementSync;
  readonly #release: StatementSync;
  readonly #undo: StatementSync;
  readonly #commitLater = (): void => this.#commitGroup();
  #group: CommitGroup | null = null;
  #inTransaction = false;
  #durability: Durability = 'full';
  #fence: () => void = () => {};
  #fatal: GuildwayError | null = null;

  /**
   * Opens and checks the database. Creates it if there is none.
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
      assertSafeSqlite(query(this.sqlite, 'SELECT sqlite_version() AS version', { version: text }).one().version);
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
      this.#savepoint = this.sqlite.prepare('SAVEPOINT member');
      this.#release = this.sqlite.prepare('RELEASE member');
      this.#undo = this.sqlite.prepare('ROLLBACK TO member');
    } catch (error) {
      this.sqlite.close();
      throw toStoreError(error);
    }
  }

  /** FENCED, DATABASE_CORRUPT or TOPOLOGY_MISMATCH once that error has occurred: this process must stop serving. */
  get fatal(): GuildwayError | null {
    return this.#fatal;
  }

  /** Whether the running code is inside a transaction. */
  get inTransaction(): boolean {
    return this.#inTransaction;
  }

  /** The pending commit of everything written or read so far. Null: everything is committed. */
  get pending(): PendingCommit | null {
    return this.#group;
  }

  /** Resolves when everything written until now is committed. @throws GuildwayError STORE_FAILED, FENCED, DATABASE_CORRUPT */
  async settled(): Promise<void> {
    await this.#group?.committed;
  }

  /** @param fence throws FENCED; runs at the start of each group and each separate transaction */
  setFence(fence: () => void): void {
    this.#fence = fence;
  }

  /** From now on every transaction throws this error: another pod owns the guilds. */
  retire(error: GuildwayError): void {
    this.#fatal ??= error;
    this.setFence(() => {
      throw error;
    });
  }

  /**
   * Runs `work` in a transaction that commits together with others at the end of this turn of the event loop. Readers see its
   * writes immediately. If `work` throws, its writes are rolled back, the others are unaffected, and the error is rethrown.
   *
   * Nothing is on disk when this returns. Wait for {@link pending} before any dependent result leaves the pod.
   * @throws GuildwayError FENCED, STORE_FAILED, DATABASE_CORRUPT
   */
  join<Result>(durability: Durability, member: Member, work: () => Result): Result {
    this.#refuseNesting();
    const group = this.#openGroup(durability);
    try {
      this.#savepoint.run();
      const result = this.#run(work);
      this.#release.run();
      group.add(member);
      return result;
    } catch (error) {
      const noted = this.noted(error);
      if (this.sqlite.isTransaction) {
        this.#undo.run();
        this.#release.run();
      } else {
        // SQLite has rolled back the whole group, as it does on a full disk: the other members are lost too.
        this.#failGroup(noted);
      }
      throw noted;
    }
  }

  /**
   * Runs `work` in a separate transaction. It is committed when this returns. If `work` throws, nothing is written and the
   * error is rethrown.
   * @throws GuildwayError FENCED, STORE_FAILED, DATABASE_CORRUPT
   */
  transaction<Result>(durability: Durability, work: () => Result): Result {
    this.#refuseNesting();
    this.#commitGroup();
    try {
      this.setDurability(durability);
      this.#begin.run();
      this.#fence();
      const result = this.#run(work);
      this.#commit.run();
      return result;
    } catch (error) {
      // Some errors, such as a full disk, roll back by themselves.
      if (this.sqlite.isTransaction) this.#rollback.run();
      throw this.noted(error);
    }
  }

  /** Also applies to statements outside a transaction. SQLite allows the change only between transactions. */
  setDurability(durability: Durability): void {
    if (this.#durability === durability) return;
    this.sqlite.exec(durability === 'full' ? 'PRAGMA synchronous = FULL' : 'PRAGMA synchronous = NORMAL');
    this.#durability = durability;
  }

  /** Translates a SQLite error, and remembers fatal ones. */
  noted(error: unknown): unknown {
    const noted = toStoreError(error);
    if (noted instanceof GuildwayError && (noted.code === 'DATABASE_CORRUPT' || noted.code === 'FENCED')) {
      this.#fatal ??= noted;
    }
    return noted;
  }

  #refuseNesting(): void {
    if (this.#inTransaction) throw new TypeError('a transaction inside another one: use the outer one for both');
  }

  #run<Result>(work: () => Result): Result {
    this.#inTransaction = true;
    try {
      return work();
    } finally {
      this.#inTransaction = false;
    }
  }

  /** A group that does not wait for the disk accepts no member whose result leaves the pod. */
  #openGroup(durability: Durability): CommitGroup {
    if (this.#group !== null && this.#group.durability === 'normal' && durability === 'full') this.#commitGroup();
    if (this.#group !== null) return this.#group;
    try {
      this.setDurability(durability);
      this.#begin.run();
      this.#fence();
    } catch (error) {
      if (this.sqlite.isTransaction) this.#rollback.run();
      throw this.noted(error);
    }
    this.#group = new CommitGroup(durability);
    setImmediate(this.#commitLater);
    return this.#group;
  }

  /**
   * Commits the open group, if there is one. Never throws: {@link PendingCommit.committed} reports a failure to its members.
   */
  #commitGroup(): void {
    const group = this.#group;
    if (group === null) return;
    try {
      this.#faultsBefore(group);
      this.#commit.run();
    } catch (error) {
      if (this.sqlite.isTransaction) this.#rollback.run();
      this.#failGroup(this.noted(error));
      return;
    }
    if (group.holds('bot')) this.#faults.killAt('kill-after-commit');
    this.#group = null;
    group.succeed();
  }

  #faultsBefore(group: CommitGroup): void {
    const faults = this.#faults;
    if (group.holds('bot')) faults.killAt('kill-before-commit');
    if (group.holds('hint')) faults.killAt('kill-before-hint-commit');
    if ((group.holds('bot') && faults.has('fail-commit')) || (group.holds('hint') && faults.has('fail-hint-commit')))
      throw new GuildwayError('STORE_FAILED', 'the database refused: injected fault');
  }

  #failGroup(error: unknown): void {
    const group = this.#group;
    if (group === null) return;
    this.#group = null;
    group.fail(error);
  }

  /** Writes the WAL into the database, so that the next start has nothing to recover, and closes. */
  close(): void {
    if (!this.sqlite.isOpen) return;
    this.#commitGroup();
    try {
      this.sqlite.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch {
      // A reader has the database open, or the disk is full: the WAL stays, which is equally safe.
    }
    this.sqlite.close();
  }

  /** SQLite detects damage only when it reads the damaged page, and would serve everything else until then. */
  #check(path: string): void {
    const rows = query(this.sqlite, 'PRAGMA quick_check(3)', { quick_check: text }).all();
    const problems = rows.map(({ quick_check }) => quick_check).filter((line) => line !== 'ok');
    if (problems.length === 0) return;
    throw new GuildwayError('DATABASE_CORRUPT', `${path} is damaged (${problems.join('; ')}). ${RECOVERY}`, {
      facts: { path, problems },
    });
  }
}
