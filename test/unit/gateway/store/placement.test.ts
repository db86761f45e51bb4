// Of src/gateway/store/guild-index.ts.
import assert from 'node:assert/strict';
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

test('a different number of pods: the error names both topologies, and nothing is written', () => {
  using folder = temporaryFolder();
  const path = folder.file('pod.sqlite3');
  makeDatabase(path, { strategy: 'md5', pods: 3 });
  const before = dump(path);
  const why = misplacement(path, { strategy: 'md5', pods: 4 });
  assert.match(why, /NUM_GATEWAY_PODS=3 ROUTING=md5 TOPOLOGY_EPOCH=1/);
  assert.match(why, /NUM_GATEWAY_PODS=4/);
  assert.match(why, /restore the former setting/);
  assert.deepEqual(dump(path), before);
  // With the old values it continues.
  using store = openTestStore(path, { topology: md5(3) });
  assert.deepEqual(notesOf(store), ['here']);
  assert.equal(store.incarnation, 2);
});

test('a different strategy, other shards or another pod are refused', () => {
  using folder = temporaryFolder();
  const path = folder.file('pod.sqlite3');
  makeDatabase(path, { strategy: 'discord-shard', pods: 3, shards: 8 }, 1);
  assert.match(misplacement(path, { strategy: 'md5', pods: 3 }, 1), /ROUTING=discord-shard DISCORD_SHARDS=8/);
  assert.match(misplacement(path, { strategy: 'discord-shard', pods: 3, shards: 16 }, 1), /DISCORD_SHARDS=16/);
  assert.match(misplacement(path, { strategy: 'discord-shard', pods: 3, shards: 8 }, 2), /belongs to gateway-1/);
});

test('an older epoch is refused, a newer one is recorded', () => {
  using folder = temporaryFolder();
  const path = folder.file('pod.sqlite3');
  makeDatabase(path, { strategy: 'md5', pods: 3, epoch: 2 });
  assert.match(misplacement(path, { strategy: 'md5', pods: 3, epoch: 1 }), /TOPOLOGY_EPOCH=2.*older/);
  openTestStore(path, { topology: md5(3, 5) }).close();
  assert.match(misplacement(path, { strategy: 'md5', pods: 3, epoch: 4 }), /TOPOLOGY_EPOCH=5/);
});

test('with one pod every strategy places rows the same way', () => {
  using folder = temporaryFolder();
  const path = folder.file('pod.sqlite3');
  makeDatabase(path, { strategy: 'md5', pods: 1 });
  const topology = createTopology({ strategy: 'discord-shard', pods: 1, shards: 4 });
  using store = openTestStore(path, { topology });
  assert.deepEqual(notesOf(store), ['here']);
});

test('only a single pod takes the database of a bot that ran before Guildway', () => {
  using folder = temporaryFolder();
  const path = folder.file('bot.sqlite3');
  const sqlite = new DatabaseSync(path);
  sqlite.exec("CREATE TABLE notes (guild_id TEXT, text TEXT); INSERT INTO notes VALUES ('1', 'old')");
  sqlite.close();
  assert.match(misplacement(path, { strategy: 'md5', pods: 3 }), /NUM_GATEWAY_PODS=1/);
  using store = openTestStore(path, { bot: { tables: ['notes'] } });
  assert.deepEqual(notesOf(store), ['old']);
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
