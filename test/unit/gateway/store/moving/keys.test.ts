// Integer keys of two pods: new keys never conflict, and existing conflicts are resolved by new keys.
// Of src/gateway/store/moving/key-map.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorCode } from '../../../../../src/errors.ts';
import { startOfKeys } from '../../../../../src/gateway/store/key-ranges.ts';
import type { Store, StoreOptions } from '../../../../../src/gateway/store/store.ts';
import { createTopology } from '../../../../../src/routing/topology.ts';
import { move, openPod, records } from '../../../../support/moving.ts';
import { openTestStore, temporaryFolder } from '../../../../support/store.ts';

const A = '1000000000000000001';
const B = '1000000000000000002';
const BLOCK = 2 ** 24;
const ROUND = 2 ** 38;

const CASES: StoreOptions['bot'] = {
  tables: ['cases', { name: 'steps', guild: { via: 'cases', on: 'case_id' } }, 'links'],
  migrations: [
    `CREATE TABLE cases (id INTEGER PRIMARY KEY AUTOINCREMENT, guild_id TEXT NOT NULL, text TEXT, previous INTEGER REFERENCES cases);
     CREATE TABLE steps (id INTEGER PRIMARY KEY, case_id INTEGER NOT NULL);
     CREATE TABLE links (guild_id TEXT NOT NULL, case_id INTEGER NOT NULL REFERENCES cases (id) ON DELETE CASCADE, PRIMARY KEY (guild_id, case_id)) WITHOUT ROWID`,
  ],
};

const all = (store: Store, sql: string): unknown[] => store.botDatabases.full.all(sql).map((row) => Object.values(row));

const addCase = (store: Store, guildId: string): number =>
  Number(store.botDatabases.full.run('INSERT INTO cases (guild_id) VALUES (?)', guildId).lastInsertRowid);

test('a pod counts in its own blocks, whatever the largest key is, and leaves a block before it is full', () => {
  assert.equal(startOfKeys(0, 0), 0);
  assert.equal(startOfKeys(5, 0), 5);
  assert.equal(startOfKeys(0, 3), 3 * BLOCK);
  assert.equal(startOfKeys(3 * BLOCK + 5, 3), 3 * BLOCK + 5);
  assert.equal(startOfKeys(3 * BLOCK + 5, 2), ROUND + 2 * BLOCK);
  assert.equal(startOfKeys(3 * BLOCK + 5, 4), 4 * BLOCK);
  assert.equal(startOfKeys(BLOCK / 2, 0), ROUND);
  assert.equal(startOfKeys(ROUND + 2 * BLOCK + BLOCK / 2, 2), 2 * ROUND + 2 * BLOCK);
  assert.ok(Number.isSafeInteger(startOfKeys(2 ** 15 * ROUND - ROUND, 9_999) + BLOCK));
});

test('pods assign unique keys to new rows, even after imports, and existing rows keep theirs', () => {
  using folder = temporaryFolder();
  using zero = openPod(folder.file('0'), 0, CASES);
  using two = openPod(folder.file('2'), 2, CASES);
  assert.deepEqual([addCase(zero, A), addCase(two, B)], [1, 2 * BLOCK + 1]);
  move(two, zero, [B]);
  assert.deepEqual(all(zero, 'SELECT id FROM cases ORDER BY id'), [[1], [2 * BLOCK + 1]]);
  // SQLite counts on from the largest key in the table, which is pod 2's.
  assert.equal(addCase(zero, A), ROUND + 1);
  assert.equal(addCase(two, B), 2 * BLOCK + 2);
});

test('a single pod counts 1, 2, 3; as one of several it continues in its own block at its next start', () => {
  using folder = temporaryFolder();
  const path = folder.file('pod');
  {
    using store = openTestStore(path, { bot: CASES });
    assert.deepEqual([addCase(store, A), addCase(store, A)], [1, 2]);
    store.connection.sqlite.exec('UPDATE sqlite_sequence SET seq = 20000000');
    assert.equal(addCase(store, A), 20_000_001);
    store.connection.sqlite.exec(
      "UPDATE guildway_meta SET topology = json_set(topology, '$.pods', 3), fingerprint = 'md5/3'",
    );
  }
  using store = openTestStore(path, { bot: CASES, topology: createTopology({ strategy: 'md5', pods: 3 }) });
  assert.equal(addCase(store, A), ROUND + 1);
  assert.deepEqual(all(store, 'SELECT id FROM cases ORDER BY id'), [[1], [2], [20_000_001], [ROUND + 1]]);
});

test('rows with conflicting keys get new ones, and so do references by a foreign key or by via', () => {
  using folder = temporaryFolder();
  using from = openPod(folder.file('0'), 0, CASES);
  using to = openPod(folder.file('1'), 1, CASES);
  from.botDatabases.full.run(
    `INSERT INTO cases VALUES (1, '${A}', 'a', 3), (2, '${A}', 'b', 1), (3, '${A}', 'c', NULL)`,
  );
  from.botDatabases.full.run('INSERT INTO steps VALUES (7, 1), (8, 2)');
  from.botDatabases.full.run(`INSERT INTO links VALUES ('${A}', 1), ('${A}', 3)`);
  to.botDatabases.full.run(`INSERT INTO cases VALUES (1, '${B}', 'taken', NULL), (3, '${B}', 'taken', 1)`);
  to.botDatabases.full.run('INSERT INTO steps VALUES (7, 3)');
  const { renumbered } = move(from, to, [A]);
  assert.deepEqual(renumbered, [
    { table: 'cases', from: 1n, to: BigInt(BLOCK + 1) },
    { table: 'cases', from: 3n, to: BigInt(BLOCK + 2) },
    { table: 'steps', from: 7n, to: 9n },
  ]);
  assert.deepEqual(all(to, `SELECT * FROM cases WHERE guild_id = '${A}' ORDER BY text`), [
    [BLOCK + 1, A, 'a', BLOCK + 2],
    [2, A, 'b', BLOCK + 1],
    [BLOCK + 2, A, 'c', null],
  ]);
  assert.deepEqual(all(to, 'SELECT * FROM steps ORDER BY id'), [
    [7, 3],
    [8, 2],
    [9, BLOCK + 1],
  ]);
  assert.deepEqual(all(to, 'SELECT * FROM links ORDER BY case_id'), [
    [A, BLOCK + 1],
    [A, BLOCK + 2],
  ]);
  assert.equal(addCase(to, A), BLOCK + 3);
});

test('rows with conflicting keys that must not change do not move, and the error names them', () => {
  const cases: [string, StoreOptions['bot'], string, RegExp][] = [
    [
      'fixed',
      { tables: [{ name: 'notes', keys: 'fixed' }], migrations: [] },
      '5',
      /notes has rows .* same key .*: 5\. .*keys: 'fixed'/,
    ],
    ['id', { tables: ['notes'], migrations: [] }, '1234567890123456789', /1234567890123456789 is a Discord id/],
    [
      'undeclared',
      { tables: ['notes', 'marks'], migrations: ['CREATE TABLE marks (guild_id TEXT, note_id INTEGER)'] },
      '5',
      /marks\.note_id seems to refer to them: declare the reference/,
    ],
  ];
  for (const [name, { migrations = [], ...bot }, key, message] of cases) {
    using folder = temporaryFolder();
    const notes = 'CREATE TABLE notes (id INTEGER PRIMARY KEY, guild_id TEXT NOT NULL)';
    using from = openPod(folder.file('0'), 0, { ...bot, migrations: [notes, ...migrations] });
    using to = openPod(folder.file('1'), 1, { ...bot, migrations: [notes, ...migrations] });
    from.botDatabases.full.run(`INSERT INTO notes VALUES (${key}, '${A}')`);
    to.botDatabases.full.run(`INSERT INTO notes VALUES (${key}, '${B}')`);
    const chunks = [...from.mover.exportGuilds([A])];
    assert.throws(
      () => to.mover.importGuilds(chunks, records('arriving', [A])),
      (error) => errorCode(error) === 'MOVE_REFUSED' && message.test(String(error)),
      name,
    );
  }
});

test('a row with a conflicting text key does not move, and the error names it', () => {
  using folder = temporaryFolder();
  const bot = { tables: ['codes'], migrations: ['CREATE TABLE codes (code TEXT PRIMARY KEY, guild_id TEXT)'] };
  using from = openPod(folder.file('0'), 0, bot);
  using to = openPod(folder.file('1'), 1, bot);
  from.botDatabases.full.run(`INSERT INTO codes VALUES ('free', '${A}'), ('taken', '${A}')`);
  to.botDatabases.full.run(`INSERT INTO codes VALUES ('taken', '${B}')`);
  assert.throws(
    () => move(from, to, [A]),
    /the row of guild 1000000000000000001 in codes with code taken cannot be written here/,
  );
  assert.deepEqual(all(to, 'SELECT * FROM codes'), [['taken', B]]);
});
