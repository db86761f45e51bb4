import assert from 'node:assert/strict';
import { test } from 'node:test';
import { optionsOf } from '../../../src/bot/options.ts';

const optionsFrom = (options: unknown) =>
  optionsOf({ data: { options } } as unknown as Parameters<typeof optionsOf>[0]);

test('options are found by name at any nesting level, and only as their own type', () => {
  const values = [
    { name: 'user', value: '1' },
    { name: 'days', value: 7 },
    { name: 'quiet', value: false },
  ];
  const options = optionsFrom([{ name: 'case', options: [{ name: 'add', options: values }] }]);
  assert.equal(options.subcommand, 'case add');
  assert.deepEqual([options.string('user'), options.number('days'), options.boolean('quiet')], ['1', 7, false]);
  assert.deepEqual([options.number('user'), options.string('days'), options.string('toString')], [null, null, null]);
});

test('a command may have no options; autocomplete names the focused one', () => {
  assert.deepEqual(optionsFrom(undefined).values, {});
  assert.equal(optionsFrom([{ name: 'user', value: '1' }]).subcommand, null);
  const typed = optionsFrom([
    { name: 'user', value: '1' },
    { name: 'reason', value: 'sp', focused: true },
  ]);
  assert.deepEqual(typed.focused, { name: 'reason', value: 'sp' });
});
