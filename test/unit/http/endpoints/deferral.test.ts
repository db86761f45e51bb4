import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BotManifest } from '../../../../src/bot/types.ts';
import { deferralOf, deferred, type Interaction } from '../../../../src/http/endpoints/deferral.ts';

const manifest = {
  name: 'test',
  routes: [],
  commands: {
    open: { ephemeral: false, deferrable: true, type: 5 as const },
    quiet: { ephemeral: true, deferrable: true, type: 5 as const },
    form: { ephemeral: false, deferrable: false, type: 5 as const },
  },
  components: { page: { ephemeral: false, deferrable: true, type: 6 as const } },
  modals: { reason: { ephemeral: true, deferrable: true, type: 5 as const } },
};
const interaction = (type: number, data: Interaction['data']): Interaction => ({
  id: '1',
  type,
  guild_id: null,
  ...(data ? { data } : {}),
});

test("the bot's declaration decides what is deferred and how", () => {
  const rule = (type: number, data: Interaction['data']) => deferralOf(interaction(type, data), manifest);
  assert.deepEqual(deferred(rule(2, { name: 'open' }) as never), { type: 5 });
  assert.deepEqual(deferred(rule(2, { name: 'quiet' }) as never), { type: 5, data: { flags: 64 } });
  assert.equal(rule(2, { name: 'form' }), null);
  assert.deepEqual(deferred(rule(3, { custom_id: 'page:2' }) as never), { type: 6 });
  assert.deepEqual(deferred(rule(5, { custom_id: 'reason' }) as never), { type: 5, data: { flags: 64 } });
  assert.equal(rule(4, { name: 'open' }), null, 'autocomplete cannot be deferred');
});

test('an unknown command is deferred so that only its user sees the response', () => {
  const shown = (type: number, data: Interaction['data']) =>
    deferred(deferralOf(interaction(type, data), manifest) as never);
  const onlyToItsUser = { type: 5, data: { flags: 64 } };
  for (const data of [{ name: 'gone' }, { name: 'toString' }, {}, undefined]) {
    assert.deepEqual(shown(2, data), onlyToItsUser);
  }
  assert.deepEqual(shown(5, { custom_id: 'constructor' }), onlyToItsUser);
  assert.deepEqual(shown(3, { custom_id: 'constructor' }), { type: 6 }, 'nothing that shows');
  // A manifest of another version may lack fields that this one reads.
  const older = { ...manifest, commands: { open: { deferrable: true } } } as unknown as BotManifest;
  assert.deepEqual(deferred(deferralOf(interaction(2, { name: 'open' }), older) as never), { type: 5 });
});
