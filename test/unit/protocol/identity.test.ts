import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  discordEventIdentity,
  gatewayEventIdentity,
  interactionIdentity,
  stripeIdentity,
} from '../../../src/protocol/identity.ts';

test("a request is identified by its sender's id, or by its bytes if there is no usable id", () => {
  assert.equal(interactionIdentity('123'), 'interaction:123');
  const [body, other] = [Buffer.from('{"a":1}'), Buffer.from('{"a":2}')];
  assert.equal(stripeIdentity({ id: 'evt_1' }, body), stripeIdentity({ id: 'evt_1', pending_webhooks: 2 }, other));
  for (const event of [null, {}, { id: 7 }, { id: '' }, { id: 'line\nbreak' }]) {
    assert.match(stripeIdentity(event, body), /^stripe:sha256-[0-9a-f]{64}$/);
    assert.notEqual(stripeIdentity(event, body), stripeIdentity(event, other));
  }
  assert.equal(gatewayEventIdentity('abc', 5), 'gateway-event:abc:5');
  assert.match(gatewayEventIdentity('a b', 5), /^gateway-event:sha256-[0-9a-f]{64}:5$/);
});

test('a Discord event webhook is identified by its content, regardless of the order of keys', () => {
  const identity = discordEventIdentity({
    application_id: '1',
    event: { type: 'X', data: { a: 1, b: [{ c: 2, d: 3 }] } },
  });
  const reordered = { event: { data: { b: [{ d: 3, c: 2 }], a: 1 }, type: 'X' }, application_id: '1', version: 1 };
  assert.equal(discordEventIdentity(reordered), identity);
  assert.notEqual(discordEventIdentity({ ...reordered, application_id: '2' }), identity);
  assert.match(discordEventIdentity(null), /^discord-event:/);
});
