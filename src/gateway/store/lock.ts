import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { GuildwayError } from '../../errors.ts';
import { isBusy } from './sqlite-error.ts';

/** Which process has a database open. Stored next to the database, for operators and for {@link refuseLostData}. */
export interface Holder {
  readonly pid: number;
  readonly host: string;
  readonly ordinal: number;
  /** Null before the database is open, and when this pod must not write to it. */
  readonly incarnation: number | null;
  /** ISO 8601 */
  readonly since: string;
}

const lockPath = (databasePath: string): string => `${databasePath}.lock`;
export const holderPath = (databasePath: string): string => `${databasePath}.holder.json`;

/**
 * The exclusive right of one process to use a database. It is an exclusive transaction, never committed, on a separate lock
 * file. The operating system releases it when the process dies for any reason, and unlike a lock on the database itself, it
 * lets Litestream read.
 */
export class DatabaseLock {
  readonly #databasePath: string;
  readonly #sqlite: DatabaseSync;

  /**
   * @throws GuildwayError DATABASE_LOCKED, naming the holder; CONFIG_INVALID when no file can have this path; STORE_FAILED when
   * the file cannot be created
   */
  constructor(databasePath: string) {
    this.#databasePath = databasePath;
    const why = unusable(databasePath);
    if (why !== null) throw new GuildwayError('CONFIG_INVALID', `DATABASE_PATH: ${why}`);
    try {
      mkdirSync(dirname(databasePath), { recursive: true });
      this.#sqlite = new DatabaseSync(lockPath(databasePath), { timeout: 0 });
      this.#sqlite.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    } catch (cause) {
      if (isBusy(cause)) throw locked(databasePath, cause);
      throw new GuildwayError(
        'STORE_FAILED',
        `DATABASE_PATH: cannot lock ${databasePath}: ${(cause as Error).message}`,
        {
          cause,
        },
      );
    }
  }

  /** Records the holder of the database. The record is on disk when this returns. */
  sign(ordinal: number, incarnation: number | null): void {
    const holder: Holder = {
      pid: process.pid,
      host: hostname(),
      ordinal,
      incarnation,
      since: new Date().toISOString(),
    };
    const path = holderPath(this.#databasePath);
    const file = openSync(`${path}.new`, 'w');
    try {
      writeSync(file, `${JSON.stringify(holder)}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(`${path}.new`, path);
    fsyncFolder(dirname(path));
  }

  release(): void {
    if (this.#sqlite.isOpen) this.#sqlite.close();
  }
}

/** Why SQLite cannot use this path, or null. It would say only that it is unable to open the file. */
function unusable(path: string): string | null {
  const file = statSync(path, { throwIfNoEntry: false });
  if (file?.isDirectory()) return `${path} is a folder. Name a file in it: ${join(path, 'guildway.sqlite3')}`;
  const folder = nearestExisting(dirname(path));
  if (!statSync(folder).isDirectory()) return `${folder} is a file, so ${path} cannot be in it. Name another path`;
  for (const existing of file === undefined ? [folder] : [folder, path]) {
    if (!isWritable(existing)) {
      return `this user (uid ${process.getuid?.()}) may not write to ${existing}, which ${path} needs. Change its owner, or set DATABASE_PATH to a file elsewhere`;
    }
  }
  return null;
}

function nearestExisting(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false }) !== undefined;
  return found || dirname(path) === path ? path : nearestExisting(dirname(path));
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Flushes a folder's entries to disk. Otherwise a power loss may undo the last rename. Windows has no such call. */
function fsyncFolder(path: string): void {
  if (process.platform === 'win32') return;
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** The last process that had the database open, or null. */
export function readHolder(databasePath: string): Holder | null {
  try {
    return JSON.parse(readFileSync(holderPath(databasePath), 'utf8')) as Holder;
  } catch {
    return null;
  }
}

function locked(databasePath: string, cause: unknown): GuildwayError {
  const holder = readHolder(databasePath);
  const who =
    holder === null
      ? 'another process'
      : `process ${holder.pid} on ${holder.host} (gateway-${holder.ordinal}, incarnation ${holder.incarnation}, since ${holder.since})`;
  return new GuildwayError(
    'DATABASE_LOCKED',
    `${databasePath} is held by ${who}; two processes must never be the same pod, so end that one first`,
    { cause, facts: { holder } },
  );
}
