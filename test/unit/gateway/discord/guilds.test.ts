import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GatewayDispatchPayload } from 'discord-api-types/v10';
import { guildOfDispatch } from '../../../../src/gateway/discord/guilds.ts';

test('the guild of a dispatch', () => {
  const of = (t: string, d: unknown) => guildOfDispatch({ op: 0, s: 1, t, d } as unknown as GatewayDispatchPayload);
  assert.equal(of('MESSAGE_CREATE', { id: '1', guild_id: '2' }), '2');
  assert.equal(of('MESSAGE_CREATE', { id: '1' }), null);
  assert.equal(of('GUILD_CREATE', { id: '3' }), '3');
  assert.equal(of('GUILD_DELETE', { id: '3', unavailable: true }), '3');
  assert.equal(of('USER_UPDATE', { id: '3' }), null);
  assert.equal(of('RESUMED', null), null);
});
