import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineBot } from '../../../src/bot/define-bot.ts';
import { declaredTables } from '../../../src/bot/tables.ts';
import { errorCode } from '../../../src/errors.ts';

test('a table is declared by its name, with another column, or via another table', () => {
  const { tables, global } = declaredTables({
    tables: [
      'notes',
      { name: 'settings', guild: 'id' },
      { name: 'steps', guild: { via: 'escalations', on: 'escalation_id' } },
      { name: 'escalations', keys: 'fixed' },
    ],
    global: ['plans'],
  });
  assert.deepEqual(tables, [
    { name: 'notes', guild: { column: 'guild_id' }, keys: 'renumber' },
    { name: 'settings', guild: { column: 'id' }, keys: 'renumber' },
    { name: 'steps', guild: { via: 'escalations', on: 'escalation_id' }, keys: 'renumber' },
    { name: 'escalations', guild: { column: 'guild_id' }, keys: 'fixed' },
  ]);
  assert.deepEqual(global, ['plans']);
});

test('a declaration that cannot identify the guild of a row is rejected with the reason', () => {
  const cases: [unknown, unknown, RegExp][] = [
    [['no tes'], [], /"no tes" is not the name of a table/],
    [[7], [], /7 is not a table/],
    [[{ guild: 'id' }], [], /undefined is not the name of a table/],
    [['guildway_meta'], [], /names that start with guildway_ are taken/],
    [[], ['Guildway_meta'], /names that start with guildway_ are taken/],
    [['notes', 'Notes'], [], /"Notes" is declared twice/],
    [['notes'], ['notes'], /"notes" is declared twice/],
    [[{ name: 'notes', guild: 'a b' }], [], /"a b" is not the name of a column of "notes"/],
    [[{ name: 'notes', guild: 5 }], [], /guild is 5; it is a column, or \{ via: table, on: column \}/],
    [[{ name: 'notes', guild: { via: 'cases' } }], [], /undefined is not the name of a column of "notes"/],
    [[{ name: 'notes', column: 'id' }], [], /unknown option "column"/],
    [[{ name: 'notes', keys: 'kept' }], [], /keys is "kept"; it is 'renumber' or 'fixed'/],
    [
      [{ name: 'steps', guild: { via: 'cases', on: 'case_id' } }],
      [],
      /"steps" is via "cases", which tables does not name/,
    ],
    [
      [
        { name: 'a', guild: { via: 'b', on: 'b_id' } },
        { name: 'b', guild: { via: 'a', on: 'a_id' } },
      ],
      [],
      /a via b via a: none of these tables has a guild id/,
    ],
  ];
  for (const [tables, global, message] of cases) {
    assert.throws(
      () => defineBot({ name: 'bot', tables, global } as never),
      (error) => errorCode(error) === 'BOT_INVALID' && message.test(String(error)),
      String(message),
    );
  }
});
