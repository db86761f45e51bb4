// A damaged or missing database must never be served as if it were empty.
// Of src/gateway/store/lost-data.ts.
import assert from 'node:assert/strict';
import {
  closeSync,
  copyFileSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { test } from 'node:test';
import { GuildwayError } from '../../../../src/errors.ts';
import { assertSafeSqlite } from '../../../../src/gateway/store/connection.ts';
import { holderPath } from '../../../../src/gateway/store/lock.ts';
import { notesOf, openTestStore, temporaryFolder } from '../../../support/store.ts';

/** A database with notes whose WAL has not been checkpointed, as a killed process leaves it. */
async function abandon(path: string, notes: number): Promise<void> {
  const live = `${path}.live`;
  const store = openTestStore(live);
  for (let i = 0; i < notes; i++) {
    addNote(store, `note ${i}`);
    await store.connection.settled();
  }
  copyFileSync(live, path);
  copyFileSync(`${live}-wal`, `${path}-wal`);
  store.close();
}

const addNote = (store: ReturnType<typeof openTestStore>, text: string): void =>
  void store.botDatabases.full.run('INSERT INTO notes (guild_id, text) VALUES (?, ?)', '1', text);

const corrupt = (pattern: RegExp) => (error: unknown) =>
  error instanceof GuildwayError && error.code === 'DATABASE_CORRUPT' && pattern.test(error.message);

test('a WAL that is torn anywhere yields a valid prefix', async () => {
  using folder = temporaryFolder();
  const intact = folder.file('intact.sqlite3');
  await abandon(intact, 40);
  const walBytes = statSync(`${intact}-wal`).size;
  const seen = new Set<number>();
  for (let i = 0; i <= 20; i++) {
    const path = folder.file(`torn-${i}.sqlite3`);
    copyFileSync(intact, path);
    copyFileSync(`${intact}-wal`, `${path}-wal`);
    truncateSync(`${path}-wal`, Math.floor((walBytes * i) / 20));
    using store = openTestStore(path);
    const notes = notesOf(store);
    assert.deepEqual(
      notes,
      notes.map((_, n) => `note ${n}`),
      'a prefix, in order',
    );
    seen.add(notes.length);
  }
  assert.ok(seen.has(40), 'the whole WAL gives everything');
  assert.ok(seen.size > 5, `prefixes of several lengths: ${[...seen]}`);
});

test('a WAL with a flipped bit yields the prefix before it', async () => {
  using folder = temporaryFolder();
  const path = folder.file('pod.sqlite3');
  await abandon(path, 40);
  const wal = readFileSync(`${path}-wal`);
  const middle = Math.floor(wal.length / 2);
  wal.writeUInt8(wal.readUInt8(middle) ^ 1, middle);
  writeFileSync(`${path}-wal`, wal);
  using store = openTestStore(path);
  const notes = notesOf(store);
  assert.ok(notes.length < 40);
  assert.deepEqual(
    notes,
    notes.map((_, n) => `note ${n}`),
  );
});

test('a file that is not a database is refused and left unchanged', () => {
  using folder = temporaryFolder();
  const path = folder.file('pod.sqlite3');
  writeFileSync(path, 'these are not rows. '.repeat(500));
  const before = readFileSync(path);
  assert.throws(() => openTestStore(path), corrupt(/not a database/));
  assert.deepEqual(readFileSync(path), before);
});

test('an overwritten page is detected at start, not when a handler reads it', () => {
  using folder = temporaryFolder();
  const path = folder.file('pod.sqlite3');
  {
    using store = openTestStore(path);
    for (let i = 0; i < 500; i++) addNote(store, `note ${i} ${'x'.repeat(100)}`);
  }
  // The last page of the file has notes, which nothing reads at start.
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(4096, 0xab), 0, 4096, statSync(path).size - 4096);
  closeSync(file);
  assert.throws(() => openTestStore(path), corrupt(/is damaged.* Restore it/));
});

test('a truncated database is refused', () => {
  using folder = temporaryFolder();
  const path = folder.file('pod.sqlite3');
  {
    using store = openTestStore(path);
    for (let i = 0; i < 500; i++) addNote(store, `note ${i} ${'x'.repeat(100)}`);
  }
  truncateSync(path, Math.floor(statSync(path).size / 2));
  assert.throws(() => openTestStore(path), corrupt(/damaged|malformed/));
});

for (const [name, damage] of [
  ['removed', (path: string) => rmSync(path)],
  ['emptied', (path: string) => truncateSync(path, 0)],
] as const) {
  test(`a database that was ${name} does not start empty until an operator allows it`, () => {
    using folder = temporaryFolder();
    const path = folder.file('pod.sqlite3');
    openTestStore(path).close();
    damage(path);
    for (let attempt = 0; attempt < 2; attempt++) {
      assert.throws(() => openTestStore(path), corrupt(/missing or empty, but gateway-0 used it .* Restore it/));
    }
    rmSync(holderPath(path));
    using store = openTestStore(path);
    assert.deepEqual(notesOf(store), []);
    assert.equal(store.incarnation, 1);
  });
}

test('a WAL without its database is not deleted', async () => {
  using folder = temporaryFolder();
  const path = folder.file('pod.sqlite3');
  await abandon(path, 10);
  rmSync(path);
  const wal = readFileSync(`${path}-wal`);
  assert.throws(() => openTestStore(path), corrupt(/-wal still holds \d+ bytes/));
  assert.deepEqual(readFileSync(`${path}-wal`), wal);
});

test('a SQLite that can lose data is refused', () => {
  for (const version of ['3.51.2', '3.50.9', '3.7.17', '2.8.17']) {
    assert.throws(
      () => assertSafeSqlite(version),
      (error: unknown) => error instanceof GuildwayError && error.code === 'DATABASE_UNSAFE',
      version,
    );
  }
  for (const version of ['3.51.3', '3.51.10', '3.52.0', '3.53.4', '4.0.0']) assertSafeSqlite(version);
});
