import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { bigInt, blob, nullable, number, oneOf, query, text } from '../../../../src/gateway/store/rows.ts';

const STORE = new URL('../../../../src/gateway/store/', import.meta.url);

test('a query returns rows with the columns that it names', () => {
  using sqlite = new DatabaseSync(':memory:');
  sqlite.exec("CREATE TABLE t (a TEXT, b INTEGER, c BLOB, d); INSERT INTO t VALUES ('x', 1, x'01', NULL)");
  const all = query(sqlite, 'SELECT a, b, c, d FROM t', {
    a: text,
    b: oneOf(1, 2),
    c: blob,
    d: nullable(number),
  });
  const row = { a: 'x', b: 1, c: new Uint8Array([1]), d: null };
  assert.deepEqual({ ...all.one() }, row);
  assert.deepEqual(
    all.all().map((each) => ({ ...each })),
    [row],
  );
  assert.equal(query(sqlite, 'SELECT a FROM t WHERE b = ?', { a: text }).get(2), undefined);
});

test('a column of BigInts is read without loss, also where it may be NULL', () => {
  using sqlite = new DatabaseSync(':memory:');
  const largest = query(sqlite, 'SELECT 9007199254740993 AS id', { id: nullable(bigInt) });
  assert.equal(largest.one().id, 9_007_199_254_740_993n);
});

test('SQL with other columns than those named is refused when it is prepared', () => {
  using sqlite = new DatabaseSync(':memory:');
  assert.throws(() => query(sqlite, 'SELECT 1 AS a', { b: number }), /the columns a, not b: SELECT 1 AS a/);
  assert.throws(() => query(sqlite, 'SELECT 1 AS a, 2 AS b', { a: number }), /the columns a, b, not a/);
});

test('a value that its column does not accept is refused, with the SQL, the column and the value', () => {
  using sqlite = new DatabaseSync(':memory:');
  const mistyped = query(sqlite, "SELECT 1 AS a, 'x' AS b", { a: number, b: number });
  for (const read of [() => mistyped.get(), () => mistyped.all()])
    assert.throws(read, /the column b holds "x", not a number: SELECT 1 AS a, 'x' AS b/);
  assert.throws(() => query(sqlite, 'SELECT NULL AS a', { a: text }).get(), /the column a holds null, not text/);
  assert.throws(() => query(sqlite, 'SELECT 3 AS a', { a: oneOf(1, 2) }).get(), /holds 3, not one of 1, 2/);
});

test('a query that always has a row says so when it has none', () => {
  using sqlite = new DatabaseSync(':memory:');
  assert.throws(() => query(sqlite, 'SELECT 1 AS a WHERE 0', { a: number }).one(), /no row/);
});

test('no module of the store asserts the type of a row', () => {
  const files = readdirSync(STORE, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  assert.ok(files.length > 30);
  const asserted = files.filter((file) =>
    /\b(?:get|all|iterate)\([^;]*?\) as |row\.\w+ as |as unknown as/.test(readFileSync(new URL(file, STORE), 'utf8')),
  );
  // Bots assert the types of their own rows.
  assert.deepEqual(asserted, ['bot-database.ts']);
});
