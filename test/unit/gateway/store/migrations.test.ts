import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GuildwayError } from '../../../../src/errors.ts';
import type { StoreOptions } from '../../../../src/gateway/store/store.ts';
import { NOTES, notesOf, openTestStore, temporaryFolder } from '../../../support/store.ts';

const invalid = (pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof GuildwayError);
  assert.equal(error.code, 'BOT_INVALID');
  assert.match(error.message, pattern);
  return true;
};

function withBot(path: string, bot: StoreOptions['bot']): ReturnType<typeof openTestStore> {
  return openTestStore(path, { bot });
}

test('scripts run once, in order, and later ones are added', () => {
  using folder = temporaryFolder();
  const path = folder.file('pod.sqlite3');
  const second = "INSERT INTO notes (guild_id, text) VALUES ('1', 'from the migration')";
  withBot(path, { migrations: [NOTES], tables: ['notes'] }).close();
  withBot(path, { migrations: [NOTES, second], tables: ['notes'] }).close();
  using store = withBot(path, { migrations: [NOTES, second], tables: ['notes'] });
  assert.deepEqual(notesOf(store), ['from the migration']);
});

test('a changed script is refused; one with different whitespace is not', () => {
  using folder = temporaryFolder();
  const path = folder.file('pod.sqlite3');
  withBot(path, { migrations: [NOTES] }).close();
  assert.throws(
    () => withBot(path, { migrations: [NOTES.replace('text TEXT', 'body TEXT')] }),
    invalid(/migration 1 of the bot has changed/),
  );
  withBot(path, { migrations: [`\r\n  ${NOTES.replaceAll(' ', '\n    ')}`] }).close();
});

test('a failing script is rolled back, and earlier scripts stay applied', () => {
  using folder = temporaryFolder();
  const path = folder.file('pod.sqlite3');
  const bad = 'CREATE TABLE extra (guild_id TEXT); INSERT INTO nowhere VALUES (1)';
  assert.throws(
    () => withBot(path, { migrations: [NOTES, bad] }),
    invalid(/migration 2 of the bot failed: no such table/),
  );
  using store = withBot(path, { migrations: [NOTES], tables: ['notes'] });
  assert.throws(() => store.botDatabases.full.get('SELECT * FROM extra'), /no such table: extra/);
});

test('an older version of a bot runs on the tables of its newer version', () => {
  using folder = temporaryFolder();
  const path = folder.file('pod.sqlite3');
  withBot(path, { migrations: [NOTES, 'ALTER TABLE notes ADD COLUMN mood TEXT'] }).close();
  using store = withBot(path, { migrations: [NOTES], tables: ['notes'] });
  assert.deepEqual(notesOf(store), []);
});

test("scripts can neither control transactions nor touch Guildway's tables", () => {
  using folder = temporaryFolder();
  for (const [i, script] of [
    'COMMIT; CREATE TABLE x (guild_id TEXT)',
    'DELETE FROM guildway_meta',
    "ATTACH 'x' AS x",
  ].entries()) {
    const path = folder.file(`pod-${i}.sqlite3`);
    assert.throws(() => withBot(path, { migrations: [script] }), invalid(/not allowed in a bot's SQL/));
    openTestStore(path).close();
  }
});

test('the guilds of all tables are listed without duplicates', () => {
  using folder = temporaryFolder();
  const more = 'CREATE TABLE more (guild_id TEXT PRIMARY KEY) WITHOUT ROWID';
  using store = withBot(folder.file('pod'), { migrations: [NOTES, more], tables: ['notes', 'more'] });
  const db = store.botDatabases.full;
  for (const guild of ['30', '100', '20', '30', '100'])
    db.run('INSERT INTO notes (guild_id, text) VALUES (?, ?)', guild, 'x');
  for (const guild of ['20', '40']) db.run('INSERT INTO more (guild_id) VALUES (?)', guild);
  assert.deepEqual(store.guilds.list(10), ['100', '20', '30', '40']);
  assert.deepEqual(store.guilds.list(2), ['100', '20']);
});
