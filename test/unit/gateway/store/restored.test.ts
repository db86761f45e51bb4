import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { pino } from 'pino';
import { readFaults } from '../../../../src/gateway/faults.ts';
import { openStore, type Store } from '../../../../src/gateway/store/store.ts';
import { createTopology } from '../../../../src/public-routing.ts';
import { asWallTime } from '../../../../src/time.ts';

/** 2026-01-31T12:00:00Z as a snowflake. */
const NOON = Date.UTC(2026, 0, 31, 12);
const INTERACTION = String(BigInt(NOON - 1_420_070_400_000) << 22n);

function open(folder: string, name = 'a.sqlite3'): { store: Store; said: string[] } {
  const said: string[] = [];
  const log = pino(
    { level: 'warn' },
    { write: (line: string) => void said.push((JSON.parse(line) as { msg: string }).msg) },
  );
  const opened = openStore({
    path: join(folder, name),
    ordinal: 1,
    topology: createTopology({ strategy: 'md5', pods: 3 }),
    bot: {},
    log,
    faults: readFaults({}),
    now: () => asWallTime(NOON + 90_000),
  });
  return { store: opened.take(), said };
}

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'guildway-restored-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

test('a database on a new volume, or older than its volume, is reported as restored with what may be missing', (t) => {
  const [first, second] = [temporaryFolder(t), temporaryFolder(t)];
  const used = open(first);
  used.store.connection.transaction('full', () =>
    used.store.connection.sqlite
      .prepare("INSERT INTO guildway_ledger VALUES ('interaction:' || ?, 0, '', NULL, 0, '', NULL)")
      .run(INTERACTION),
  );
  used.store.close();
  copyFileSync(join(first, 'a.sqlite3'), join(second, 'a.sqlite3'));
  const again = open(first);
  again.store.close();
  assert.deepEqual([...used.said, ...again.said], [], 'a restart is no restoration');

  const restored = open(second);
  restored.store.close();
  assert.equal(restored.said.length, 1);
  assert.match(restored.said[0] as string, /^restored from a backup: .*2026-01-31T12:00:00.000Z, 90 s ago/);
  const restarted = open(second);
  restarted.store.close();
  assert.deepEqual(restarted.said, [], 'it says so once');

  // Restored by hand over a newer one.
  open(second).store.close();
  copyFileSync(join(first, 'a.sqlite3'), join(second, 'a.sqlite3'));
  const older = open(second);
  older.store.close();
  assert.match(older.said.join(), /^restored from a backup/);
});

test("Litestream's tables in a new database are not mistaken for a bot's", (t) => {
  const folder = temporaryFolder(t);
  const litestream = new DatabaseSync(join(folder, 'a.sqlite3'));
  litestream.exec('CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)');
  litestream.close();
  open(folder).store.close();
});
