// The basis of the store's guarantees: settings, locks and fences of its single connection.
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { GuildwayError } from '../../../../src/errors.ts';
import { Connection } from '../../../../src/gateway/store/connection.ts';
import { startPruning } from '../../../../src/gateway/store/pruning.ts';
import { openStore } from '../../../../src/gateway/store/store.ts';
import { createTopology } from '../../../../src/routing/topology.ts';
import { asWallTime } from '../../../../src/time.ts';
import { noFaults, openTestStore, silent, storeOptions, temporaryFolder } from '../../../support/store.ts';

const pragma = ({ sqlite }: Connection, name: string): unknown =>
  Object.values(sqlite.prepare(`PRAGMA ${name}`).get() ?? {})[0];

test('every commit uses WAL, synchronous=FULL, foreign keys and a bounded WAL', () => {
  using folder = temporaryFolder();
  const connection = new Connection(folder.file('pod'), noFaults);
  assert.equal(pragma(connection, 'journal_mode'), 'wal');
  assert.equal(pragma(connection, 'synchronous'), 2);
  assert.equal(pragma(connection, 'foreign_keys'), 1);
  assert.equal(pragma(connection, 'journal_size_limit'), 64 * 1024 * 1024);
  connection.close();
});

test('a transaction holds the write lock from its start, and checks its fence under it', () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  using other = new DatabaseSync(folder.file('pod'), { timeout: 0 });
  const cannotWrite = (): void => assert.throws(() => other.exec('BEGIN IMMEDIATE'), /locked/);
  let fenced = 0;
  store.connection.setFence(() => {
    fenced++;
    // A process that takes over the database between the check and the write would be overwritten.
    cannotWrite();
  });
  store.connection.transaction('full', cannotWrite);
  assert.equal(fenced, 1);
});

test('acknowledged writes never commit in a group that does not wait for the disk', async () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const { connection } = store;
  const synchronous = (): unknown => pragma(connection, 'synchronous');
  assert.equal(connection.join('normal', 'other', synchronous), 1);
  assert.equal(connection.join('full', 'other', synchronous), 2, 'in the same turn');
  assert.equal(connection.join('normal', 'other', synchronous), 2, 'it may wait with it');
  await connection.settled();
  assert.equal(connection.join('normal', 'other', synchronous), 1);
  assert.equal(connection.transaction('full', synchronous), 2);
});

test('a process of an older incarnation than its database writes nothing', () => {
  {
    const change = 'incarnation = incarnation + 1';
    using folder = temporaryFolder();
    using store = openTestStore(folder.file('pod'));
    using other = new DatabaseSync(folder.file('pod'));
    other.exec(`UPDATE guildway_meta SET ${change}`);
    assert.throws(() => store.connection.transaction('full', () => assert.fail('it ran')), { code: 'FENCED' }, change);
    assert.equal(store.connection.fatal?.code, 'FENCED');
  }
});

test("damage found later stops the pod for good, with any of SQLite's codes", () => {
  // SQLITE_CORRUPT, SQLITE_CORRUPT_INDEX and SQLITE_NOTADB.
  for (const errcode of [11, 11 | (3 << 8), 26]) {
    using folder = temporaryFolder();
    using store = openTestStore(folder.file('pod'));
    const error = Object.assign(new Error('database disk image is malformed'), { code: 'ERR_SQLITE_ERROR', errcode });
    assert.equal((store.connection.noted(error) as GuildwayError).code, 'DATABASE_CORRUPT');
    assert.equal(store.connection.fatal?.code, 'DATABASE_CORRUPT');
  }
  // SQLITE_IOERR_WRITE and SQLITE_FULL may pass.
  for (const errcode of [10 | (3 << 8), 13]) {
    using folder = temporaryFolder();
    using store = openTestStore(folder.file('pod'));
    const error = Object.assign(new Error('disk I/O error'), { code: 'ERR_SQLITE_ERROR', errcode });
    assert.equal((store.connection.noted(error) as GuildwayError).code, 'STORE_FAILED');
    assert.equal(store.connection.fatal, null);
  }
});

test('a pod that shuts down leaves nothing in the WAL, even while a backup has the database open', () => {
  using folder = temporaryFolder();
  const store = openTestStore(folder.file('pod'));
  // Closing the last connection would checkpoint by itself.
  using backup = new DatabaseSync(folder.file('pod'));
  backup.prepare('SELECT COUNT(*) FROM sqlite_schema').get();
  store.botDatabases.full.run("INSERT INTO notes (guild_id, text) VALUES ('1', 'x')");
  store.close();
  assert.equal(statSync(`${folder.file('pod')}-wal`, { throwIfNoEntry: false })?.size ?? 0, 0);
});

test('an older Guildway does not open a database written by a newer one', () => {
  using folder = temporaryFolder();
  openTestStore(folder.file('pod')).close();
  {
    using newer = new DatabaseSync(folder.file('pod'));
    newer.exec("INSERT INTO guildway_migrations VALUES ('guildway', 99, 'x', 0)");
  }
  assert.throws(() => openTestStore(folder.file('pod')), { code: 'DATABASE_UNSAFE' });
});

test('a pod with the volume of another holds the lock all the same, and releases it when it ends', () => {
  using folder = temporaryFolder();
  openTestStore(folder.file('pod')).close();
  const topology = createTopology({ strategy: 'md5', pods: 3 });
  const opened = openStore(storeOptions(folder.file('pod'), { topology, ordinal: 1 }));
  assert.equal(opened.misplacement?.code, 'TOPOLOGY_MISMATCH');
  assert.throws(() => openTestStore(folder.file('pod')), { code: 'DATABASE_LOCKED' });
  opened.close();
  openTestStore(folder.file('pod')).close();
});

test('expired ledger rows are deleted in small steps with other work in between, however many there are', async (t) => {
  using folder = temporaryFolder();
  let now = 1_000;
  using store = openTestStore(folder.file('pod'), { now: () => asWallTime(now) });
  const { ledger, connection } = store;
  const remember = (from: number, count: number, retentionMs: number): void => {
    connection.transaction('full', () => {
      for (let i = from; i < from + count; i++)
        ledger.memo({ key: `key:${i}`, guildId: '1', bodyHash: 'x', retentionMs }).write(0, '1');
    });
  };
  remember(0, 1_000, 50);
  remember(1_000, 10, 5_000);
  const rows = (): number => ledger.count().reduce((sum, kind) => sum + kind.rows, 0);
  t.mock.timers.enable({ apis: ['setInterval'] });
  const stop = startPruning({ store, setAsideMs: 0, log: silent });
  now = 1_100;
  t.mock.timers.tick(5_000);
  const seen = [rows()];
  while ((seen.at(-1) as number) > 10 && seen.length < 20) {
    await new Promise((resolve) => setImmediate(resolve));
    seen.push(rows());
  }
  stop();
  assert.deepEqual(seen, [810, 610, 410, 210, 10]);
});
