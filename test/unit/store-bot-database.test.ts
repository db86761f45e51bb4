import assert from 'node:assert/strict';
import { test } from 'node:test';
import { notesOf, openTestStore, temporaryFolder } from '../support/store.ts';

const INSERT = 'INSERT INTO notes (guild_id, text) VALUES (?, ?)';

test('reads and writes', () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const db = store.botDatabases.full;
  assert.deepEqual(db.run(INSERT, '1', 'one'), { changes: 1, lastInsertRowid: 1 });
  assert.equal(db.get<{ text: string }>(`${INSERT} RETURNING text`, '1', 'two')?.text, 'two');
  assert.equal(db.get('SELECT text FROM notes WHERE guild_id = ?', '9'), undefined);
  assert.deepEqual(notesOf(store), ['one', 'two']);
});

test('transactions are for context.transaction, and the promises of the store are not for changing', () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const db = store.botDatabases.full;
  for (const sql of [
    'BEGIN',
    'COMMIT',
    'SAVEPOINT x',
    "ATTACH 'x' AS x",
    'PRAGMA synchronous = OFF',
    'PRAGMA journal_mode = DELETE',
    'DELETE FROM guildway_ledger',
    'UPDATE guildway_meta SET epoch = 2',
    "INSERT INTO guildway_sessions VALUES (0, 'x', 1, 'x', 1)",
  ]) {
    assert.throws(() => db.run(sql), /not allowed in a bot's SQL/, sql);
  }
  // Looking is allowed, and the connection is as it was.
  assert.equal(db.get<{ incarnation: number }>('SELECT incarnation FROM guildway_meta')?.incarnation, 1);
  db.run(INSERT, '1', 'still works');
});

test("a violated constraint is the bot's own error, and writes nothing", () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const db = store.botDatabases.full;
  assert.throws(() => db.run(INSERT, '1', null), /NOT NULL constraint failed/);
  assert.throws(
    () =>
      store.connection.botTransaction('full', () => {
        db.run(INSERT, '1', 'gone');
        throw new RangeError('the handler changed its mind');
      }),
    RangeError,
  );
  assert.deepEqual(notesOf(store), []);
  assert.equal(store.connection.fatal, null);
});

test('a transaction inside another one is refused, and the outer one goes on', () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const db = store.botDatabases.full;
  store.connection.botTransaction('full', () => {
    db.run(INSERT, '1', 'outer');
    assert.throws(() => store.connection.botTransaction('full', () => {}), /inside another one/);
  });
  assert.deepEqual(notesOf(store), ['outer']);
});

test('statements are kept, and a bot that makes ever new ones does not fill the memory', () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const db = store.botDatabases.full;
  for (let i = 0; i < 1_500; i++) assert.equal(db.get<{ n: number }>(`SELECT ${i} AS n`)?.n, i);
});

test('what is acknowledged commits with synchronous=FULL, gateway events with NORMAL', async () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const { sqlite } = store.connection;
  const seen: number[] = [];
  const look = () => void seen.push(sqlite.prepare('PRAGMA synchronous').get()?.synchronous as number);
  const [NORMAL, FULL] = [1, 2];
  store.connection.botTransaction('normal', look);
  store.connection.botTransaction('full', look);
  store.connection.botTransaction('normal', look);
  assert.deepEqual(
    seen.splice(0),
    [NORMAL, FULL, FULL],
    'an event joins a commit that waits for the disk, not the other way',
  );
  await store.connection.settled();
  store.connection.botTransaction('normal', look);
  store.botDatabases.full.run(INSERT, '1', 'outside a transaction');
  look();
  assert.deepEqual(seen, [NORMAL, FULL]);
});
