// Of src/gateway/store/table-schema.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import type { BotDefinition } from '../../../../src/bot/types.ts';
import { errorCode } from '../../../../src/errors.ts';
import { createTopology } from '../../../../src/routing/topology.ts';
import { openTestStore, temporaryFolder } from '../../../support/store.ts';

type Bot = Pick<BotDefinition, 'tables' | 'global' | 'migrations'>;

const CASES = `
  CREATE TABLE cases (id INTEGER PRIMARY KEY, guild INTEGER NOT NULL);
  CREATE TABLE steps (id INTEGER PRIMARY KEY, case_id INTEGER NOT NULL REFERENCES cases);
  CREATE TABLE plans (id INTEGER PRIMARY KEY)`;

/** Starts a pod with this bot. @returns the lines of its log */
function start(bot: Bot, pods = 1): string[] {
  using folder = temporaryFolder();
  const lines: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(JSON.parse(line).msg) });
  const topology = createTopology({ strategy: 'md5', pods });
  openTestStore(folder.file('pod.sqlite3'), { bot, log, topology }).close();
  return lines;
}

const refuses = (bot: Bot, message: RegExp, pods = 1): void =>
  assert.throws(
    () => start(bot, pods),
    (error) => errorCode(error) === 'BOT_INVALID' && message.test(String(error)),
    String(message),
  );

test('each declared table and column must exist', () => {
  const migrations = [CASES];
  refuses({ tables: ['notes'] }, /declares the table notes, but its migrations do not create it/);
  refuses({ global: ['notes'] }, /declares the table notes, but its migrations do not create it/);
  refuses({ migrations, tables: ['cases'] }, /the table cases has no column guild_id/);
  refuses({ migrations, tables: [{ name: 'cases', guild: 'server' }] }, /cases has no column server; it has id, guild/);
  const cases = { name: 'cases', guild: 'guild' };
  refuses(
    { migrations, tables: [cases, { name: 'steps', guild: { via: 'cases', on: 'case' } }] },
    /the table steps has no column case; it has id, case_id/,
  );
  refuses(
    {
      migrations,
      tables: [cases, { name: 'plans', guild: 'id' }, { name: 'steps', guild: { via: 'plans', on: 'case_id' } }],
    },
    /steps\.case_id is declared via plans, but its foreign key refers to cases/,
  );
  refuses(
    { migrations: ['CREATE TABLE notes (guild_id REAL)'], tables: ['notes'] },
    /notes\.guild_id is a floating-point number/,
  );
  refuses(
    {
      migrations: ['CREATE TABLE a (guild_id TEXT); CREATE TABLE b (a_id INTEGER)'],
      tables: ['a', { name: 'b', guild: { via: 'a', on: 'a_id' } }],
    },
    /b is declared via a, whose primary key is not one column/,
  );
});

test('an undeclared table stops a bot on several pods, and is a warning on a single pod', () => {
  const steps = { name: 'steps', guild: { via: 'cases', on: 'case_id' } };
  const tables = [{ name: 'cases', guild: 'guild' }, steps];
  const message = /does not declare the table plans.*`tables`.*'plans'.*`global`/;
  refuses({ migrations: [CASES], tables }, message, 2);
  refuses({ migrations: [CASES] }, /does not declare the tables cases, plans, steps/, 2);
  assert.ok(start({ migrations: [CASES], tables }).some((line) => message.test(line) && /stops the bot/.test(line)));
  const declared = start({ migrations: [CASES], tables, global: ['PLANS'] }, 2);
  assert.ok(!declared.some((line) => /declare/.test(line)), declared.join('\n'));
  assert.ok(declared.some((line) => /no index that starts with case_id/.test(line)));
});

test('a full-text index filled by triggers needs no declaration; any other does', () => {
  const notes = 'CREATE TABLE notes (id INTEGER PRIMARY KEY, guild_id TEXT NOT NULL, text TEXT)';
  const index = "CREATE VIRTUAL TABLE found USING fts5 (text, content = 'notes', content_rowid = 'id')";
  const trigger =
    'CREATE TRIGGER find AFTER INSERT ON notes BEGIN INSERT INTO found (rowid, text) VALUES (NEW.id, NEW.text); END';
  refuses({ migrations: [notes, index], tables: ['notes'] }, /does not declare the table found/, 2);
  start({ migrations: [notes, index, trigger], tables: ['notes'] }, 2);
});

test('the guilds of a table are listed by its own column, whatever its type', () => {
  using folder = temporaryFolder();
  const bot: Bot = {
    migrations: [CASES, 'CREATE TABLE notes (guild_id TEXT)'],
    tables: [{ name: 'steps', guild: { via: 'cases', on: 'case_id' } }, { name: 'cases', guild: 'guild' }, 'notes'],
  };
  using store = openTestStore(folder.file('pod.sqlite3'), { bot });
  const db = store.botDatabases.full;
  const large = '1234567890123456789';
  db.run('INSERT INTO cases (guild) VALUES (?), (7)', large);
  db.run('INSERT INTO notes VALUES (?), (8), (NULL)', large);
  assert.deepEqual(store.guilds.list(10), [large, '7', '8']);
});
