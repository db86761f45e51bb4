// A large guild is copied while it is served.
// Of src/gateway/store/moving/{patchset,unobserved}.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { errorCode } from '../../../../../src/errors.ts';
import { RowReader } from '../../../../../src/gateway/store/moving/export.ts';
import { compareGuilds } from '../../../../../src/gateway/store/moving/verify.ts';
import { startPruning } from '../../../../../src/gateway/store/pruning.ts';
import type { Store, StoreOptions } from '../../../../../src/gateway/store/store.ts';
import { asWallTime } from '../../../../../src/time.ts';
import { openPod, records } from '../../../../support/moving.ts';
import { fillRandomly, type Random, randomBot, randomFrom } from '../../../../support/random-schema.ts';
import { silent, temporaryFolder } from '../../../../support/store.ts';
import { until } from '../../../../support/wait.ts';

const A = '1000000000000000001';
const B = '1000000000000000002';
const record = (state: Parameters<typeof records>[0]) => records(state, [A]);

const bot: StoreOptions['bot'] = {
  tables: ['notes', 'marks', { name: 'words', guild: { via: 'notes', on: 'note_id' } }],
  migrations: [
    `CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, guild_id TEXT NOT NULL, text TEXT);
     CREATE TABLE marks (guild_id TEXT NOT NULL, text TEXT);
     CREATE TABLE words (note_id INTEGER NOT NULL REFERENCES notes ON DELETE CASCADE, word TEXT, PRIMARY KEY (word, note_id)) WITHOUT ROWID`,
  ],
};

function rowCount(store: Store, guildIds: readonly string[]): number {
  const reader = new RowReader(store.connection.sqlite);
  const values = { guilds: JSON.stringify(guildIds), now: 0n };
  return store.mover.tables.reduce((sum, { selectRows }) => sum + [...reader.rows(selectRows, values)].length, 0);
}

/** Changes some rows like a bot, including those of other guilds. */
function scribble(store: Store, random: Random): void {
  const { sqlite } = store.connection;
  for (const { name, columns, guildTable } of store.mover.tables) {
    if (guildTable === null || name === 'audit') continue;
    const column = columns.at(-1)?.name ?? '';
    const where = guildTable.withoutRowid ? 'true LIMIT 0' : `rowid % 7 = ${random.below(7)}`;
    const change = random.pick([
      `DELETE FROM ${name} WHERE ${where}`,
      ...(/^c/.test(column) ? [`UPDATE ${name} SET ${column} = NULL WHERE ${where}`] : []),
      ...(guildTable.integerKey === null ? [] : [`UPDATE ${name} SET id = id + 1000 WHERE ${where}`]),
    ]);
    try {
      sqlite.exec(change);
    } catch {
      // A foreign key forbids it.
    }
  }
}

test('a guild is identical after its move, whatever is written while it is copied', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = randomFrom(seed);
      const made = randomBot(random);
      using folder = temporaryFolder();
      using from = openPod(folder.file('0'), 0, made.bot);
      using to = openPod(folder.file('1'), 1, made.bot);
      using expected = openPod(folder.file('2'), 2, made.bot);
      fillRandomly(from.connection.sqlite, made.tables, [A, B], 20);
      fillRandomly(to.connection.sqlite, made.tables, ['1000000000000000009'], 10);

      using copy = from.mover.copyLive(A);
      using receiving = to.mover.receiveLive(A);
      for (const chunk of copy.base()) {
        scribble(from, random);
        receiving.apply(chunk);
      }
      for (let i = 0; i < random.below(3); i++) {
        scribble(from, random);
        for (const chunk of copy.changes(false)) receiving.apply(chunk);
      }
      scribble(from, random);
      fillRandomly(from.connection.sqlite, made.tables, [B, A], 4);
      const { renumbered } = receiving.finish(copy.changes(true), record('here'));
      const whole = [...from.mover.exportGuilds([A])];
      expected.mover.importGuilds(whole, records('here', [A]));
      from.mover.removeLive(copy, record('moved'));

      const [one, other] = [expected, to].map((store) => new RowReader(store.connection.sqlite)) as [
        RowReader,
        RowReader,
      ];
      const options = { tables: to.mover.tables, guildIds: [A], renumbered };
      assert.deepEqual(compareGuilds(one, other, options), []);
      assert.deepEqual(
        compareGuilds(new RowReader(from.connection.sqlite), one, { ...options, renumbered: [] }).filter(
          ({ kind }) => kind !== 'surplus',
        ),
        [],
      );

      const others = rowCount(from, [B]);
      while (from.mover.removeLeftovers(3) > 0);
      assert.deepEqual([rowCount(from, [A]), rowCount(from, [B])], [0, others]);

      // The set-aside copy is identical.
      using again = openPod(folder.file('3'), 3, made.bot);
      const [kept] = [...from.mover.exportSetAside([{ guildId: A, epoch: 1 }])];
      again.mover.importGuilds(kept?.chunks ?? [], records('here', [A]));
      assert.deepEqual(compareGuilds(one, new RowReader(again.connection.sqlite), { ...options, renumbered: [] }), []);
    }),
    { numRuns: Number(process.env.MOVE_RUNS ?? 8) },
  );
});

test('a guild that is written to after its last changes stays, and the next changes include the write', () => {
  using folder = temporaryFolder();
  using from = openPod(folder.file('0'), 0, bot);
  using to = openPod(folder.file('1'), 1, bot);
  const db = from.botDatabases.full;
  db.run(`INSERT INTO notes VALUES (1, '${A}', 'one'), (2, '${A}', 'two'), (3, '${B}', 'other')`);
  db.run("INSERT INTO words VALUES (1, 'word'), (3, 'word')");
  db.run(`INSERT INTO marks VALUES ('${A}', 'mark')`);
  using copy = from.mover.copyLive(A);
  using receiving = to.mover.receiveLive(A);
  for (const chunk of copy.base()) receiving.apply(chunk);
  for (const change of [
    `INSERT INTO notes (guild_id) VALUES ('${A}')`,
    "UPDATE notes SET text = 'changed' WHERE id = 1",
    'DELETE FROM words WHERE note_id = 1',
    `UPDATE notes SET guild_id = '${B}' WHERE id = 2`,
    `INSERT INTO marks VALUES ('${A}', 'another')`,
    `UPDATE marks SET text = 'changed'`,
    'DELETE FROM marks',
  ]) {
    for (const chunk of copy.changes(true)) receiving.apply(chunk);
    db.run(change);
    assert.throws(
      () => from.mover.removeLive(copy, record('moved')),
      (error) => errorCode(error) === 'MOVE_OUTDATED',
      change,
    );
    assert.equal(from.mover.records.read(A), null);
  }
  db.run(`UPDATE notes SET text = 'changed' WHERE guild_id = '${B}'`);
  const last = copy.changes(true);
  db.run(`UPDATE notes SET text = 'changed again' WHERE guild_id = '${B}'`);
  receiving.finish(last, record('here'));
  from.mover.removeLive(copy, record('moved'));
  const rows = (table: string) => to.botDatabases.full.all(`SELECT * FROM ${table}`).map((row) => Object.values(row));
  assert.deepEqual(
    [rows('notes'), rows('words'), rows('marks')],
    [
      [
        [1, A, 'changed'],
        [4, A, null],
      ],
      [],
      [],
    ],
  );
});

test('a guild that returns finds none of its former rows', () => {
  using folder = temporaryFolder();
  using from = openPod(folder.file('0'), 0, bot);
  using to = openPod(folder.file('1'), 1, bot);
  from.botDatabases.full.run(`INSERT INTO notes VALUES (1, '${A}', 'one'), (2, '${A}', 'two'), (3, '${B}', 'other')`);
  {
    using copy = from.mover.copyLive(A);
    using receiving = to.mover.receiveLive(A);
    for (const chunk of copy.base()) receiving.apply(chunk);
    receiving.finish(copy.changes(true), record('here'));
    from.mover.removeLive(copy, record('moved'));
  }
  to.botDatabases.full.run('DELETE FROM notes WHERE id = 1');
  const chunks = [...to.mover.exportGuilds([A])];
  from.mover.importGuilds(chunks, records('here', [A], 2));
  assert.equal(from.mover.removeLeftovers(10), 0);
  assert.deepEqual(
    from.botDatabases.full.all('SELECT id FROM notes ORDER BY id').map((row) => Object.values(row)),
    [[2], [3]],
  );
});

test('rolled-back writes are not changes; uncommitted writes are', () => {
  using folder = temporaryFolder();
  using from = openPod(folder.file('0'), 0, bot);
  using to = openPod(folder.file('1'), 1, bot);
  const db = from.botDatabases.full;
  db.run(`INSERT INTO notes VALUES (1, '${A}', 'one')`);
  using copy = from.mover.copyLive(A);
  using receiving = to.mover.receiveLive(A);
  for (const chunk of copy.base()) receiving.apply(chunk);
  assert.throws(
    () =>
      from.connection.join('full', 'bot', () => {
        db.run("UPDATE notes SET text = 'undone'");
        db.run(`INSERT INTO notes VALUES (2, '${A}', 'undone')`);
        throw new Error('the handler fails');
      }),
    /the handler fails/,
  );
  db.run(`INSERT INTO notes VALUES (3, '${A}', 'in the open commit')`);
  receiving.finish(copy.changes(true), record('here'));
  from.mover.removeLive(copy, record('moved'));
  const rows = to.botDatabases.full.all('SELECT id, text FROM notes ORDER BY id').map((row) => Object.values(row));
  assert.deepEqual(rows, [
    [1, 'one'],
    [3, 'in the open commit'],
  ]);
});

test('a pod automatically removes the rows of a large guild that it gave away, and old copies', async (t) => {
  using folder = temporaryFolder();
  let now = 1_000_000;
  using from = openPod(folder.file('0'), 0, bot, { now: () => asWallTime(now) });
  using to = openPod(folder.file('1'), 1, bot);
  from.connection.transaction('full', () => {
    const insert = from.connection.sqlite.prepare('INSERT INTO notes (guild_id, text) VALUES (?, ?)');
    for (let i = 0; i < 500; i++) insert.run(A, `note ${i}`);
    insert.run(B, 'stays');
  });
  {
    using copy = from.mover.copyLive(A);
    using receiving = to.mover.receiveLive(A);
    for (const chunk of copy.base()) receiving.apply(chunk);
    receiving.finish(copy.changes(true), record('here'));
    from.mover.removeLive(copy, record('moved'));
  }
  t.mock.timers.enable({ apis: ['setInterval'] });
  const stop = startPruning({ store: from, setAsideMs: 60_000, log: silent });
  try {
    t.mock.timers.tick(5_000);
    await until('the rows are gone', () => rowCount(from, [A]) === 0);
    assert.equal(rowCount(from, [B]), 1);
    assert.equal(from.mover.setAside.totals().guilds, 1);
    now += 60_001;
    t.mock.timers.tick(5_000);
    await until('the copy is gone', () => from.mover.setAside.totals().bytes === 0);
  } finally {
    stop();
  }
});

test('a pod that crashed while a guild arrived in parts removes the parts', () => {
  using folder = temporaryFolder();
  using from = openPod(folder.file('0'), 0, bot);
  from.botDatabases.full.run(`INSERT INTO notes VALUES (1, '${A}', 'one')`);
  {
    using to = openPod(folder.file('1'), 1, bot);
    using copy = from.mover.copyLive(A);
    const receiving = to.mover.receiveLive(A);
    for (const chunk of copy.base()) receiving.apply(chunk);
    assert.equal(to.mover.removeLeftovers(10), 0, 'the rest is coming');
    assert.equal(rowCount(to, [A]), 1);
  }
  using to = openPod(folder.file('1'), 1, bot);
  assert.equal(to.mover.removeLeftovers(10), 2);
  assert.equal(rowCount(to, [A]), 0);
  assert.equal(to.mover.records.read(A), null);
});

test('an abandoned copy leaves nothing on either side', () => {
  using folder = temporaryFolder();
  using from = openPod(folder.file('0'), 0, bot);
  using to = openPod(folder.file('1'), 1, bot);
  from.botDatabases.full.run(`INSERT INTO notes VALUES (1, '${A}', 'one')`);
  {
    using copy = from.mover.copyLive(A);
    using receiving = to.mover.receiveLive(A);
    for (const chunk of copy.base()) receiving.apply(chunk);
  }
  while (to.mover.removeLeftovers(10) > 0);
  from.mover.setAside.prune(1_000, 100);
  assert.deepEqual(from.mover.setAside.totals(), { guilds: 0, bytes: 0 });
  assert.deepEqual(to.botDatabases.full.all('SELECT * FROM notes'), []);
});
