import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DiscordAPIError } from '@discordjs/rest';
import { type CommandBody, isSame, registration, unchanged } from '../../../../src/gateway/discord/command-form.ts';
import { refusalReasons } from '../../../../src/gateway/discord/command-refusal.ts';

test('a command is registered without its handlers and without fields that only Guildway reads', () => {
  const made = registration({
    name: 'warn',
    description: 'Warns',
    ephemeral: true,
    deferrable: false,
    run: () => ({ type: 4, data: {} }),
    autocomplete: () => [],
  });
  assert.deepEqual(made, { type: 1, name: 'warn', description: 'Warns' });
});

const option = { type: 3, name: 'reason', description: 'Why', required: false, min_length: 0 };
const wanted: CommandBody = {
  ...{ type: 1, name: 'warn', description: 'Warns', default_member_permissions: '8' },
  name_localizations: { de: 'warnen', id: 'peringatkan' },
  options: [option, { type: 7, name: 'where', description: 'Where', channel_types: [5, 0] }],
};
/** The same command as Discord lists it. */
const registered: CommandBody = {
  ...wanted,
  ...{ id: '1', application_id: '2', version: '3', dm_permission: true, nsfw: false },
  ...{ contexts: null, integration_types: [0], description_localizations: null },
  name_localizations: { id: 'peringatkan', de: 'warnen' },
  options: [
    { type: 3, name: 'reason', description: 'Why', min_length: 0, choices: [], name_localizations: null },
    { type: 7, name: 'where', description: 'Where', channel_types: [0, 5], autocomplete: false },
  ],
};
const same = (one: CommandBody, other: CommandBody): boolean => isSame(one, other, [0]);

test('a command compares equal with and without explicit defaults', () => {
  assert.ok(same(registered, wanted));
  assert.ok(same({ ...registered, contexts: [2, 0, 1] }, wanted));
  assert.ok(same(registered, { ...wanted, contexts: [0, 1, 2], integration_types: [0], nsfw: false }));
  assert.ok(same({ ...registered, dm_permission: false }, { ...wanted, dm_permission: false }));
  assert.ok(same({ ...registered, contexts: [0] }, { ...wanted, dm_permission: false }));
  assert.ok(isSame({ ...registered, integration_types: [1, 0] }, wanted, [0, 1]), "the application's default");
  const menu = { type: 2, name: 'Look at' };
  assert.ok(same({ ...menu, description: '', nsfw: false, options: [], id: '5' }, menu));
  const empty = { ...wanted, name_localizations: {}, description_localizations: {}, options: undefined };
  assert.ok(same({ ...registered, name_localizations: null, options: [] }, empty));
});

test('every change to a definition is detected, including removals', () => {
  const without = (object: object, key: string): object =>
    Object.fromEntries(Object.entries(object).filter(([name]) => name !== key));
  const full: CommandBody = {
    ...wanted,
    ...{ contexts: [0], integration_types: [0, 1], nsfw: true, handler: 1 },
    description_localizations: { de: 'Warnt' },
  };
  const listed = { ...full, ...{ id: '1', application_id: '2', version: '3' } };
  assert.ok(same(listed, full));
  for (const key of Object.keys(full).filter((key) => !['type', 'name'].includes(key))) {
    assert.equal(same(listed, without(full, key) as CommandBody), false, `${key} is gone`);
    assert.equal(same(without(listed, key) as CommandBody, full), false, `${key} is new`);
  }
  const [first, second] = wanted.options as [object, object];
  const changes: [string, object][] = [
    ['another description', { description: 'Bans' }],
    ['another permission', { default_member_permissions: '0' }],
    ['one context fewer', { contexts: [0, 1] }],
    ['an install that is new', { integration_types: [0, 1] }],
    ['a translation that is gone, of the language that is called id', { name_localizations: { de: 'warnen' } }],
    ['options in another order', { options: [second, first] }],
    ['an option that is required now', { options: [{ ...option, required: true }, second] }],
    ['a limit of 0 that is gone', { options: [without(option, 'min_length'), second] }],
    ['a translated option', { options: [{ ...option, description_localizations: { de: 'Warum' } }, second] }],
    ['a choice', { options: [{ ...option, choices: [{ name: 'a', value: 0 }] }, second] }],
    ['fewer channel types', { options: [option, { ...second, channel_types: [0] }] }],
  ];
  for (const [what, change] of changes) assert.equal(same(registered, { ...wanted, ...change }), false, what);
});

test('a registered command is sent back without fields that only Discord writes', () => {
  const entryPoint = { type: 4, name: 'launch', description: '', handler: 2, integration_types: [0, 1] };
  const listed = { ...entryPoint, id: '1', application_id: '2', version: '3', dm_permission: true, contexts: null };
  assert.deepEqual(unchanged(listed), entryPoint);
});

test('a rejection names the command, the field and the reason, and stays readable for many commands', () => {
  const sent = [{ name: 'warn' }, { name: 'Look at', type: 2 }];
  const refusal = (raw: object): string =>
    refusalReasons(new DiscordAPIError(raw as never, 50035, 400, 'PUT', 'https://discord.test', {}), sent);
  const errors = {
    0: { options: { 1: { name: { _errors: [{ code: 'A', message: 'Name is invalid' }] } } } },
    1: { _errors: [{ code: 'B', message: 'No' }] },
    _errors: [{ code: 'C', message: 'Too many' }],
  };
  assert.equal(
    refusal({ message: 'Invalid Form Body', code: 50035, errors }),
    'Invalid Form Body (400, code 50035): "warn".options.1.name: Name is invalid; "Look at": No; Too many',
  );
  assert.equal(refusal({ message: 'No Entry Point', code: 50240 }), 'No Entry Point (400, code 50035)');
  assert.equal(refusal({ message: 'Odd', errors: { 7: { _errors: 'x' }, 8: null, 9: 5 } }), 'Odd (400, code 50035)');
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [i, { _errors: [{ message: 'No' }] }]));
  assert.match(refusal({ message: 'Bad', errors: many }), /; and 30 more$/);
});
