import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorCode } from '../../../../src/errors.ts';
import { isBusy, toStoreError } from '../../../../src/gateway/store/sqlite-error.ts';

const sqliteError = (errcode: number) => Object.assign(new Error('of SQLite'), { code: 'ERR_SQLITE_ERROR', errcode });

test('errors of the disk and the file become store errors; those of a statement are unchanged', () => {
  // SQLITE_FULL, SQLITE_IOERR_FSYNC, SQLITE_READONLY_DBMOVED.
  for (const code of [13, 1034, 1032])
    assert.equal(errorCode(toStoreError(sqliteError(code))), 'STORE_FAILED', `${code}`);
  // SQLITE_CORRUPT_INDEX, SQLITE_NOTADB.
  for (const code of [779, 26]) assert.equal(errorCode(toStoreError(sqliteError(code))), 'DATABASE_CORRUPT', `${code}`);
  const constraint = sqliteError(2067);
  for (const error of [constraint, new Error('none of SQLite'), undefined]) assert.equal(toStoreError(error), error);
  assert.ok(isBusy(sqliteError(261)) && !isBusy(constraint));
});
