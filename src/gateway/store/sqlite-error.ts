import { GuildwayError } from '../../errors.ts';

/** SQLite's primary result codes that concern the disk or the file rather than the statement. */
const CODE = Object.freeze({
  busy: 5,
  locked: 6,
  readonly: 8,
  ioerr: 10,
  corrupt: 11,
  full: 13,
  cantopen: 14,
  notadb: 26,
});

const STORE_FAILED: ReadonlySet<number> = new Set([
  CODE.busy,
  CODE.locked,
  CODE.readonly,
  CODE.ioerr,
  CODE.full,
  CODE.cantopen,
]);
const CORRUPT: ReadonlySet<number> = new Set([CODE.corrupt, CODE.notadb]);

/** The remedy for a damaged database. */
export const RECOVERY = 'Restore it from the backup, or recover what can be read with: sqlite3 FILE .recover';

/** The primary result code of a node:sqlite error; undefined for other errors. */
function sqliteCode(error: unknown): number | undefined {
  const { code, errcode } = (error ?? {}) as { code?: unknown; errcode?: unknown };
  // The upper bits hold the extended result code.
  return code === 'ERR_SQLITE_ERROR' && typeof errcode === 'number' ? errcode & 0xff : undefined;
}

/** Whether another process holds the requested lock. */
export const isBusy = (error: unknown): boolean => sqliteCode(error) === CODE.busy;

/**
 * Turns errors of the disk or the file into STORE_FAILED or DATABASE_CORRUPT. Any other error, such as a violated constraint,
 * belongs to the statement and is returned unchanged.
 */
export function toStoreError(error: unknown): unknown {
  const code = sqliteCode(error);
  if (code === undefined) return error;
  const { message } = error as Error;
  if (STORE_FAILED.has(code)) {
    return new GuildwayError('STORE_FAILED', `the database refused: ${message}`, { cause: error, facts: { code } });
  }
  if (CORRUPT.has(code)) {
    return new GuildwayError('DATABASE_CORRUPT', `the database is damaged: ${message}. ${RECOVERY}`, {
      cause: error,
      facts: { code },
    });
  }
  return error;
}
