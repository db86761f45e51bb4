// A full disk: an error, nothing partial, and it continues when there is room again.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { errorCode } from '../../../../src/errors.ts';
import { notesOf, openTestStore, temporaryFolder } from '../../../support/store.ts';

/** A small separate file system, or null if this process may not mount one. */
function smallDisk(folder: string): (Disposable & { path: string }) | null {
  const path = join(folder, 'disk');
  mkdirSync(path);
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', path]);
  if (status !== 0) return null;
  return { path, [Symbol.dispose]: () => void spawnSync('umount', ['-l', path]) };
}

test('a full disk', async (t) => {
  using folder = temporaryFolder();
  using disk = smallDisk(folder.path);
  if (disk === null) {
    t.skip('mounting a small disk needs root');
    return;
  }
  using store = openTestStore(join(disk.path, 'pod.sqlite3'));
  const db = store.botDatabases.full;
  const insert = (text: string) => db.run('INSERT INTO notes (guild_id, text) VALUES (?, ?)', '1', text);
  insert('before');
  await store.connection.settled();
  const filler = join(disk.path, 'filler');
  try {
    writeFileSync(filler, Buffer.alloc(1024 * 1024));
  } catch {
    // Full, as it should be.
  }
  const failed = (error: unknown) => errorCode(error) === 'STORE_FAILED';
  /** SQLite decides whether it fails immediately or at its commit. */
  const refused = (work: () => void) =>
    assert.rejects(async () => {
      work();
      await store.connection.settled();
    }, failed);
  await refused(() => insert('during '.repeat(2_000)));
  await refused(() =>
    store.connection.join('full', 'bot', () => {
      insert('one half '.repeat(2_000));
      insert('the other half '.repeat(2_000));
    }),
  );
  await assert.rejects(
    store.hints.put({
      identity: 'interaction:1',
      guildId: '1',
      target: '/',
      headers: [],
      body: Buffer.alloc(100_000),
      bodyHash: '',
      deferred: 5,
      uncertain: false,
      lifeMs: 1,
    }),
    failed,
  );
  assert.equal(store.hints.count, 0);
  assert.deepEqual(notesOf(store), ['before']);
  assert.equal(store.connection.fatal, null, 'it is not damaged');
  rmSync(filler);
  insert('after');
  await store.connection.settled();
  assert.deepEqual(notesOf(store), ['before', 'after']);
});
