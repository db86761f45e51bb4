// Transactions of one turn of the event loop commit together.
// Of src/gateway/store/commit-group.ts.
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { errorCode } from '../../../../src/errors.ts';
import { readFaults } from '../../../../src/gateway/faults.ts';
import { notesOf, openTestStore, temporaryFolder } from '../../../support/store.ts';

const INSERT = 'INSERT INTO notes (guild_id, text) VALUES (?, ?)';

/** A store, and another process's view of its database. */
function setUp(overrides: Parameters<typeof openTestStore>[1] = {}) {
  const folder = temporaryFolder();
  const store = openTestStore(folder.file('pod'), overrides);
  const other = new DatabaseSync(folder.file('pod'), { readOnly: true });
  const add = (text: string): void => void store.botDatabases.full.run(INSERT, '1', text);
  return {
    store,
    connection: store.connection,
    add,
    /** Notes that are committed. */
    committed: (): string[] =>
      other
        .prepare('SELECT text FROM notes ORDER BY rowid')
        .all()
        .map(({ text }) => text as string),
    [Symbol.dispose]() {
      other.close();
      store.close();
      folder[Symbol.dispose]();
    },
  };
}

test('transactions of one turn are visible immediately, and committed together at its end', async () => {
  using pod = setUp();
  const { connection, add } = pod;
  connection.join('full', 'bot', () => add('one'));
  connection.join('full', 'bot', () => add('two'));
  add('outside a transaction');
  const all = ['one', 'two', 'outside a transaction'];
  assert.deepEqual(notesOf(pod.store), all);
  assert.deepEqual(pod.committed(), []);
  const { pending } = connection;
  assert.equal(pending?.ended, false);
  await connection.settled();
  assert.deepEqual(pod.committed(), all);
  assert.equal(pending.ended, true);
  assert.equal(connection.pending, null);
});

test('a single transaction does not wait for others: it is committed when the turn ends', async () => {
  using pod = setUp();
  pod.add('alone');
  await new Promise(setImmediate);
  assert.deepEqual(pod.committed(), ['alone']);
});

test('a transaction that throws rolls back only itself', async () => {
  using pod = setUp();
  const { connection, add } = pod;
  connection.join('full', 'bot', () => add('before'));
  const fails = () =>
    connection.join('full', 'bot', () => {
      add('undone');
      throw new RangeError('the handler changed its mind');
    });
  assert.throws(fails, RangeError);
  connection.join('full', 'bot', () => add('after'));
  await connection.settled();
  assert.deepEqual(pod.committed(), ['before', 'after']);
});

test('a failed commit fails all of its members, and the next one succeeds', async () => {
  const { has, ...faults } = readFaults({ GUILDWAY_TEST_FAULT: 'fail-commit', NODE_ENV: 'test' });
  let failing = true;
  using pod = setUp({ faults: { ...faults, has: (fault) => failing && has(fault) } });
  pod.add('lost');
  pod.add('lost too');
  const { pending } = pod.connection;
  await assert.rejects(pending?.committed ?? Promise.resolve(), (error) => errorCode(error) === 'STORE_FAILED');
  assert.deepEqual(notesOf(pod.store), []);
  failing = false;
  pod.add('kept');
  await pod.connection.settled();
  assert.deepEqual(pod.committed(), ['kept']);
});

test('a separate transaction commits pending ones first, and is committed when it returns', () => {
  using pod = setUp();
  pod.add('together');
  pod.connection.transaction('full', () => pod.add('alone'));
  assert.deepEqual(pod.committed(), ['together', 'alone']);
});

test('closing commits the open group', () => {
  using folder = temporaryFolder();
  {
    using store = openTestStore(folder.file('pod'));
    store.botDatabases.full.run(INSERT, '1', 'the last');
  }
  using store = openTestStore(folder.file('pod'));
  assert.deepEqual(notesOf(store), ['the last']);
});

test('the fence covers a commit: a process that has lost its database writes nothing', async () => {
  using pod = setUp();
  let owned = true;
  pod.connection.setFence(() => {
    if (!owned) throw new Error('another process has the database');
  });
  pod.add('owned');
  await pod.connection.settled();
  owned = false;
  assert.throws(() => pod.add('not owned'), /another process/);
  assert.equal(pod.connection.pending, null);
  assert.deepEqual(notesOf(pod.store), ['owned']);
});
