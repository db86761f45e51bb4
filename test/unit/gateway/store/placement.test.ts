// Of src/gateway/store/guild-index.ts.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { errorCode } from '../../../../src/errors.ts';
import { openStore } from '../../../../src/gateway/store/store.ts';
import { createTopology, type TopologyOptions } from '../../../../src/routing/topology.ts';
import { notesOf, openTestStore, storeOptions, temporaryFolder } from '../../../support/store.ts';

const md5 = (pods: number, epoch = 1) => createTopology({ strategy: 'md5', pods, epoch });

/** Every row of every table, to check that nothing was written. */
function dump(path: string): unknown {
  const sqlite = new DatabaseSync(path, { readOnly: true });
  const tables = sqlite.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all();
  const rows = tables.map(({ name }) => [name, sqlite.prepare(`SELECT * FROM "${name}"`).all()]);
  sqlite.close();
  return JSON.parse(JSON.stringify(rows));
}

function makeDatabase(path: string, topology: TopologyOptions, ordinal = 0): void {
  using store = openTestStore(path, { topology: createTopology(topology), ordinal });
  store.botDatabases.full.run('INSERT INTO notes (guild_id, text) VALUES (?, ?)', '1', 'here');
}

/** Opens a database and returns why this pod must not use it. */
function misplacement(path: string, topology: TopologyOptions, ordinal = 0): string {
  const store = openStore(storeOptions(path, { topology: createTopology(topology), ordinal }));
  try {
    assert.ok(store.misplacement !== null, 'it should have been misplaced');
    assert.equal(store.misplacement.code, 'TOPOLOGY_MISMATCH');
    return store.misplacement.message;
  } finally {
    store.close();
  }
}

test('rows that were placed under another topology are served where they are', () => {
  using folder = temporaryFolder();
  const path = folder.file('pod.sqlite3');
  const made: TopologyOptions = { strategy: 'md5', pods: 3, epoch: 2 };
  makeDatabase(path, made);
  const given: TopologyOptions[] = [
    { strategy: 'md5', pods: 4, epoch: 3 },
    { strategy: 'md5', pods: 4, epoch: 2 },
    { strategy: 'md5', pods: 3, epoch: 1 },
    { strategy: 'discord-shard', pods: 3, shards: 8, epoch: 3 },
  ];
  for (const [i, topology] of given.entries()) {
    using store = openTestStore(path, { topology: createTopology(topology) });
    assert.deepEqual(notesOf(store), ['here']);
    assert.deepEqual(store.movingState.chain, [createTopology(made).toRecord()]);
    assert.equal(store.incarnation, i + 2);
  }
});

test("another pod's database: nothing is written", () => {
  using folder = temporaryFolder();
  const path = folder.file('pod.sqlite3');
  makeDatabase(path, { strategy: 'discord-shard', pods: 3, shards: 8 }, 1);
  const before = dump(path);
  assert.match(misplacement(path, { strategy: 'discord-shard', pods: 3, shards: 8 }, 2), /belongs to gateway-1/);
  assert.deepEqual(dump(path), before);
});

test('a claim for another topology is refused', () => {
  using folder = temporaryFolder();
  const path = folder.file('pod.sqlite3');
  const opened = openStore(storeOptions(path, { topology: md5(3) }));
  opened.claim();
  opened.close();
  assert.match(misplacement(path, { strategy: 'md5', pods: 4 }), /made for NUM_GATEWAY_PODS=3.*NUM_GATEWAY_PODS=4/);
});

test('a pod beyond the number of pods serves the rows that it has; without rows it starts, for a larger number', () => {
  using folder = temporaryFolder();
  const path = folder.file('pod.sqlite3');
  makeDatabase(path, { strategy: 'md5', pods: 5 }, 4);
  openTestStore(path, { topology: md5(3, 2), ordinal: 4 }).close();
  const empty = storeOptions(folder.file('other.sqlite3'), { topology: md5(3), ordinal: 3 });
  const opened = openStore(empty);
  assert.deepEqual([opened.placement, opened.misplacement], [null, null]);
  opened.close();
});

test('a restored volume asks the other pods before it serves, also after a crash', () => {
  using folder = temporaryFolder();
  const path = folder.file('pod.sqlite3');
  makeDatabase(path, { strategy: 'md5', pods: 3 });
  // A new volume has the database, and not the note beside it.
  rmSync(`${path}.holder.json`);
  for (let start = 0; start < 2; start++) {
    using store = openTestStore(path, { topology: md5(3) });
    assert.deepEqual([...store.movingState.recovering], [1, 2]);
  }
});

test('a pod without rows that joins others begins with their topologies, and asks them', () => {
  using folder = temporaryFolder();
  const path = folder.file('pod.sqlite3');
  const chain = [md5(3).toRecord(), md5(5, 2).toRecord()] as const;
  const opened = openStore(storeOptions(path, { topology: md5(5, 2), ordinal: 3 }));
  const { movingState } = opened.take({ kind: 'join', chain });
  assert.deepEqual([movingState.chain, movingState.completeTo], [chain, 0]);
  assert.deepEqual([...movingState.recovering], [0, 1, 2, 4]);
  opened.close();
  using store = openTestStore(path, { topology: md5(5, 2), ordinal: 3 });
  assert.deepEqual([store.movingState.chain, store.movingState.completeTo], [chain, 0]);
  assert.deepEqual([...store.movingState.recovering], [0, 1, 2, 4]);
});

test('with one pod every strategy places rows the same way', () => {
  using folder = temporaryFolder();
  const path = folder.file('pod.sqlite3');
  makeDatabase(path, { strategy: 'md5', pods: 1 });
  const topology = createTopology({ strategy: 'discord-shard', pods: 1, shards: 4 });
  using store = openTestStore(path, { topology });
  assert.deepEqual(notesOf(store), ['here']);
});

test('the database of a bot that ran before Guildway has every guild at pod 0', () => {
  using folder = temporaryFolder();
  const path = folder.file('bot.sqlite3');
  const sqlite = new DatabaseSync(path);
  sqlite.exec("CREATE TABLE notes (guild_id TEXT, text TEXT); INSERT INTO notes VALUES ('1', 'old')");
  sqlite.close();
  assert.match(misplacement(path, { strategy: 'md5', pods: 3 }, 1), /belongs to gateway-0/);
  using store = openTestStore(path, { bot: { tables: ['notes'] }, topology: md5(3, 2) });
  assert.deepEqual(notesOf(store), ['old']);
  assert.deepEqual(store.movingState.chain, [md5(1).toRecord()]);
});

test('a process that has lost its database writes nothing more', async () => {
  using folder = temporaryFolder();
  const path = folder.file('pod.sqlite3');
  using store = openTestStore(path);
  const write = () => store.botDatabases.full.run('INSERT INTO notes (guild_id, text) VALUES (?, ?)', '1', 'late');
  // A process that got past the lock, such as on a copy of the volume, has a later incarnation.
  const other = new DatabaseSync(path);
  other.exec('UPDATE guildway_meta SET incarnation = incarnation + 1');
  other.close();
  const fenced = (error: unknown) => errorCode(error) === 'FENCED';
  assert.throws(write, fenced);
  assert.throws(() => store.connection.join('full', 'bot', write), fenced);
  await assert.rejects(store.hints.noteAttempt(1), fenced);
  assert.throws(() => store.sessions.clear(0), fenced);
  assert.deepEqual(notesOf(store), []);
  assert.equal(store.connection.fatal?.code, 'FENCED');
});
