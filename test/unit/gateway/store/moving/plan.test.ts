// The parts of a plan: sizes of guilds, colliding rows, differing rows.
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { findCollisions } from '../../../../../src/gateway/store/moving/collisions.ts';
import { RowReader } from '../../../../../src/gateway/store/moving/export.ts';
import { guildSizes } from '../../../../../src/gateway/store/moving/sizes.ts';
import { compareGuilds } from '../../../../../src/gateway/store/moving/verify.ts';
import type { StoreOptions } from '../../../../../src/gateway/store/store.ts';
import { openPod } from '../../../../support/moving.ts';
import { temporaryFolder } from '../../../../support/store.ts';

const A = '1000000000000000001';
const B = '1000000000000000002';

const bot: StoreOptions['bot'] = {
  tables: [
    { name: 'cases', guild: 'guild' },
    { name: 'steps', guild: { via: 'cases', on: 'case_id' }, keys: 'fixed' },
    'codes',
    'words',
  ],
  migrations: [
    `CREATE TABLE cases (id INTEGER PRIMARY KEY, guild INTEGER NOT NULL, text TEXT);
     CREATE TABLE steps (id INTEGER PRIMARY KEY, case_id INTEGER NOT NULL);
     CREATE TABLE codes (code TEXT, guild_id TEXT NOT NULL, UNIQUE (code), UNIQUE (guild_id, code));
     CREATE TABLE words (guild_id TEXT NOT NULL, word TEXT NOT NULL, n REAL, PRIMARY KEY (guild_id, word)) WITHOUT ROWID`,
  ],
};

test('colliding rows of two databases are found, with their fate', async () => {
  using folder = temporaryFolder();
  using one = openPod(folder.file('0'), 0, bot);
  {
    using two = openPod(folder.file('1'), 1, bot);
    const fill = (store: typeof one, guildId: string) => {
      const db = store.botDatabases.full;
      for (let id = 1; id <= 12; id++) db.run('INSERT INTO cases VALUES (?, ?, NULL)', id, BigInt(guildId));
      db.run(`INSERT INTO steps VALUES (5, 1), (${store === one ? 6 : 7}, 2)`);
      db.run(`INSERT INTO codes VALUES ('same', '${guildId}'), ('of ${guildId}', '${guildId}'), (NULL, '${guildId}')`);
      db.run(`INSERT INTO words VALUES ('${guildId}', 'same', 1)`);
    };
    fill(one, A);
    fill(two, B);
  }
  await one.connection.settled();
  const collisions = findCollisions([folder.file('0'), folder.file('1')], one.mover.tables);
  assert.deepEqual(
    collisions.map(({ table, columns, count, examples }) => ({ table, columns, count, examples })),
    [
      { table: 'cases', columns: ['id'], count: 12, examples: ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10'] },
      { table: 'codes', columns: ['code'], count: 1, examples: ['same'] },
      { table: 'steps', columns: ['id'], count: 1, examples: ['5'] },
    ],
  );
  const [cases, codes, steps] = collisions.map(({ obstacle }) => obstacle);
  assert.equal(cases, null);
  assert.match(codes ?? '', /Only an integer primary key/);
  assert.match(steps ?? '', /keys: 'fixed'/);
});

test('sizes count the rows of every guild, including child rows', () => {
  using folder = temporaryFolder();
  using store = openPod(folder.file('0'), 0, bot);
  const db = store.botDatabases.full;
  db.run(`INSERT INTO cases VALUES (1, ${A}, ?), (2, ${B}, NULL)`, 'x'.repeat(10_000));
  db.run('INSERT INTO steps VALUES (1, 1), (2, 1), (3, 99)');
  const sizes = guildSizes(new RowReader(store.connection.sqlite), store.mover.tables);
  assert.deepEqual(
    [...sizes].map(([guildId, { rows }]) => [guildId, rows]),
    [
      [A, 3],
      [B, 1],
    ],
  );
  const [a, b] = [...sizes.values()].map(({ bytes }) => bytes) as [number, number];
  assert.ok(a > 10_000 && a < 10_200, `${a}`);
  assert.ok(b > 10 && b < 100, `${b}`);
});

test('a comparison names the rows that are missing, surplus or changed, down to the type of a value', () => {
  using folder = temporaryFolder();
  const paths = [folder.file('0'), folder.file('1')] as const;
  for (const path of paths) {
    using store = openPod(path, 0, bot);
    const [word, text] = path === paths[0] ? ['here', 'one'] : ['there', 'two'];
    store.botDatabases.full.run(
      `INSERT INTO cases VALUES (1, ${A}, '${text}'), (2, ${A}, 'same'), (3, ${B}, '${text}')`,
    );
    store.botDatabases.full.run(`INSERT INTO words VALUES ('${A}', '${word}', 1), ('${A}', 'both', 1)`);
    store.botDatabases.full.run(
      `INSERT INTO codes VALUES (${path === paths[0] ? "'1'" : "x'31'"}, '${A}'), ('2', '${A}')`,
    );
  }
  using schema = openPod(folder.file('schema'), 0, bot);
  const [one, two] = paths.map((path) => new RowReader(new DatabaseSync(path, { readOnly: true }))) as [
    RowReader,
    RowReader,
  ];
  const { tables } = schema.mover;
  const compare = (limit?: number) =>
    compareGuilds(one, two, { tables, guildIds: [A], ...(limit === undefined ? {} : { limit }) });
  assert.deepEqual(compare(), [
    { table: 'cases', key: 'id "1"', kind: 'changed' },
    { table: 'codes', key: `code x'31', guild_id "${A}"`, kind: 'surplus' },
    { table: 'codes', key: `code "1", guild_id "${A}"`, kind: 'missing' },
    { table: 'words', key: `guild_id "${A}", word "there"`, kind: 'surplus' },
    { table: 'words', key: `guild_id "${A}", word "here"`, kind: 'missing' },
  ]);
  assert.equal(compare(2).length, 2);
  assert.deepEqual(compareGuilds(one, one, { tables, guildIds: [A, B] }), []);
});
