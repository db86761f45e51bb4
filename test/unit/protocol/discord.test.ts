import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createdAt, hasHandlerName, INTERACTION } from '../../../src/protocol/discord.ts';

test("a snowflake contains its creation time: the example of Discord's reference", () => {
  assert.equal(new Date(createdAt('175928847299117063')).toISOString(), '2016-04-30T11:18:25.796Z');
});

test('an interaction without a handler name is rejected; unknown types pass', () => {
  assert.ok(hasHandlerName(INTERACTION.command, { name: 'warn' }));
  assert.ok(hasHandlerName(INTERACTION.modal, { custom_id: 'reason' }));
  for (const data of [undefined, null, {}, { name: 7, custom_id: 7 }]) {
    for (const type of [INTERACTION.command, INTERACTION.component, INTERACTION.autocomplete, INTERACTION.modal]) {
      assert.ok(!hasHandlerName(type, data), `type ${type}`);
    }
  }
  assert.ok(hasHandlerName(99, undefined));
});
