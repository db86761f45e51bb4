// Of src/gateway/store/bot-limits.ts.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { NOTES, notesOf, openTestStore, temporaryFolder } from '../../../support/store.ts';

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

test('a bot cannot control transactions or weaken durability', () => {
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
    'DROP TABLE guildway_ledger',
    'ALTER TABLE guildway_ledger RENAME TO gone',
    'ALTER TABLE Guildway_ledger ADD COLUMN mine TEXT',
    'CREATE TRIGGER mine AFTER INSERT ON guildway_ledger BEGIN DELETE FROM notes; END',
    'CREATE TEMP TRIGGER mine AFTER INSERT ON guildway_ledger BEGIN DELETE FROM notes; END',
    'CREATE INDEX mine ON guildway_ledger (expires_at)',
    'CREATE TABLE guildway_mine (guild_id TEXT)',
    'PRAGMA writable_schema = ON',
    'PRAGMA query_only = ON',
    'PRAGMA wal_autocheckpoint = 0',
    'PRAGMA max_page_count = 3',
    'PRAGMA ignore_check_constraints = ON',
  ]) {
    assert.throws(() => db.run(sql), /not allowed in a bot's SQL/, sql);
  }
  assert.equal(db.all("PRAGMA table_info('notes')").length > 0, true);
  db.run('ANALYZE');
  // Reading is allowed, and the connection is unchanged.
  assert.equal(db.get<{ incarnation: number }>('SELECT incarnation FROM guildway_meta')?.incarnation, 1);
  db.run(INSERT, '1', 'still works');
});

test('a violated constraint is an error of the bot, and writes nothing', () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const db = store.botDatabases.full;
  assert.throws(() => db.run(INSERT, '1', null), /NOT NULL constraint failed/);
  assert.throws(
    () =>
      store.connection.join('full', 'bot', () => {
        db.run(INSERT, '1', 'gone');
        throw new RangeError('the handler changed its mind');
      }),
    RangeError,
  );
  assert.deepEqual(notesOf(store), []);
  assert.equal(store.connection.fatal, null);
});

test('a nested transaction is refused, and the outer one goes on', () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const db = store.botDatabases.full;
  store.connection.join('full', 'bot', () => {
    db.run(INSERT, '1', 'outer');
    assert.throws(() => store.connection.join('full', 'bot', () => {}), /inside another one/);
  });
  assert.deepEqual(notesOf(store), ['outer']);
});

test('statements are cached, and a bot that keeps creating new ones does not fill the memory', () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const db = store.botDatabases.full;
  for (let i = 0; i < 1_500; i++) assert.equal(db.get<{ n: number }>(`SELECT ${i} AS n`)?.n, i);
});

test('acknowledged writes commit with synchronous=FULL, gateway events with NORMAL', async () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const { sqlite } = store.connection;
  const seen: number[] = [];
  const look = () => void seen.push(sqlite.prepare('PRAGMA synchronous').get()?.synchronous as number);
  const [NORMAL, FULL] = [1, 2];
  store.connection.join('normal', 'bot', look);
  store.connection.join('full', 'bot', look);
  store.connection.join('normal', 'bot', look);
  assert.deepEqual(
    seen.splice(0),
    [NORMAL, FULL, FULL],
    'an event joins a commit that waits for the disk, not the other way',
  );
  await store.connection.settled();
  store.connection.join('normal', 'bot', look);
  store.botDatabases.full.run(INSERT, '1', 'outside a transaction');
  look();
  assert.deepEqual(seen, [NORMAL, FULL]);
});

describe('integers beyond the safe range', () => {
  const GUILD = 222_197_033_908_436_994n;
  const TABLE = 'CREATE TABLE points (guild_id INTEGER PRIMARY KEY, points INTEGER) STRICT';
  const open = (path: string) => openTestStore(path, { bot: { tables: ['points'], migrations: [TABLE] } });

  test('are read as they were written, by every kind of statement; others stay numbers', () => {
    using folder = temporaryFolder();
    using store = open(folder.file('pod'));
    const db = store.botDatabases.full;
    // The row's id is the guild's: rounded, it would be another guild's.
    assert.deepEqual(db.run('INSERT INTO points VALUES (?, ?)', GUILD, 5), { changes: 1, lastInsertRowid: GUILD });
    assert.deepEqual(db.run('INSERT INTO points VALUES (?, ?)', 7, 2n ** 53n), { changes: 1, lastInsertRowid: 7 });
    const select = 'SELECT guild_id, points FROM points WHERE guild_id = ?';
    assert.deepEqual({ ...db.get(select, 7) }, { guild_id: 7, points: 2n ** 53n });
    assert.deepEqual({ ...db.get(select, GUILD) }, { guild_id: GUILD, points: 5 });
    // Also as text, as Discord sends it.
    assert.deepEqual({ ...db.get(select, String(GUILD)) }, { guild_id: GUILD, points: 5 });
    const rows = db.all<{ guild_id: number | bigint; points: number | bigint }>(
      'SELECT * FROM points ORDER BY guild_id',
    );
    assert.deepEqual(
      rows.map((row) => [row.guild_id, row.points]),
      [
        [7, 2n ** 53n],
        [GUILD, 5],
      ],
    );
    assert.equal(db.get<{ n: number }>('SELECT count(*) AS n FROM points')?.n, 2);
    for (const edge of [2n ** 53n - 1n, 1n - 2n ** 53n]) {
      assert.deepEqual(
        { ...db.get('SELECT ? AS edge, 0.5 AS half, NULL AS empty', edge) },
        { edge: Number(edge), half: 0.5, empty: null },
      );
    }
    for (const large of [2n ** 53n, -(2n ** 53n), 2n ** 63n - 1n, -(2n ** 63n)]) {
      assert.deepEqual({ ...db.get('SELECT ? AS large', large) }, { large });
    }
  });

  test('are returned by a writing statement, which is executed once', () => {
    using folder = temporaryFolder();
    using store = open(folder.file('pod'));
    const db = store.botDatabases.full;
    const add =
      'INSERT INTO points VALUES (?, 1) ON CONFLICT DO UPDATE SET points = points + 1 RETURNING guild_id, points';
    assert.deepEqual({ ...db.get(add, GUILD) }, { guild_id: GUILD, points: 1 });
    const inside = store.connection.transaction('full', () => db.all(add, GUILD));
    assert.deepEqual(
      inside.map((row) => ({ ...row })),
      [{ guild_id: GUILD, points: 2 }],
    );
    assert.equal(db.get<{ points: number }>('SELECT points FROM points')?.points, 2);
  });

  test('are listed as guild ids, together with ids in TEXT columns', () => {
    using folder = temporaryFolder();
    const bot = { tables: ['points', 'notes'], migrations: [TABLE, NOTES] };
    using store = openTestStore(folder.file('pod'), { bot });
    const db = store.botDatabases.full;
    for (const guild of [GUILD, GUILD + 1n]) db.run('INSERT INTO points VALUES (?, 0)', guild);
    for (const guild of [GUILD + 1n, GUILD + 2n]) db.run(INSERT, String(guild), 'x');
    const all = [GUILD, GUILD + 1n, GUILD + 2n].map(String);
    assert.deepEqual(store.guilds.list(100), all);
    assert.deepEqual(store.guilds.list(2), all.slice(0, 2));
  });
});
