import assert from 'node:assert/strict';
import { test } from 'node:test';
import { modal, reply, update, whisper } from '../../../src/bot/replies.ts';

test('replies have the form that Discord accepts', () => {
  assert.deepEqual(reply('hello'), { type: 4, data: { content: 'hello' } });
  assert.deepEqual(whisper('hello'), { type: 4, data: { content: 'hello', flags: 64 } });
  assert.deepEqual(
    whisper({ content: 'x', flags: 4 }),
    { type: 4, data: { content: 'x', flags: 68 } },
    'other flags stay',
  );
  assert.deepEqual(update({ components: [] }), { type: 7, data: { components: [] } });
  const form = { custom_id: 'reason', title: 'Reason', components: [] };
  assert.deepEqual(modal(form), { type: 9, data: form });
});
