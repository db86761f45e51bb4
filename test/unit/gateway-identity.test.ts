// What makes two requests the same one, and for how long: docs/guarantees.md, "Nothing is done twice".
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  eventWebhookIdentity,
  interactionIdentity,
  type KeyedRequest,
  keyIdentity,
  stripeIdentity,
} from '../../src/gateway/dispatch/identity.ts';

const HOUR_MS = 3_600_000;
const body = Buffer.from('{}');
const keyed: KeyedRequest = { guildId: '1', method: 'POST', target: '/api/guilds/1/notes', headers: [], body };

test('each kind is remembered for as long as it is promised', () => {
  assert.equal(interactionIdentity('1', body).retentionMs, HOUR_MS);
  assert.equal(keyIdentity('k', keyed).retentionMs, 24 * HOUR_MS);
  assert.equal(stripeIdentity('evt_1', body).retentionMs, 96 * HOUR_MS);
  assert.equal(eventWebhookIdentity(body).retentionMs, 96 * HOUR_MS);
});

test('an Idempotency-Key is of one guild and of one caller', () => {
  const others: Partial<KeyedRequest>[] = [
    {},
    { guildId: '2' },
    { guildId: null },
    { headers: ['authorization', 'a'] },
    { headers: ['authorization', 'b'] },
  ];
  const keys = others.map((other) => keyIdentity('k', { ...keyed, ...other }).key);
  assert.equal(new Set([...keys, keyIdentity('other', keyed).key]).size, others.length + 1);
});

test('the same key with another method, target or body is another request', () => {
  const others: Partial<KeyedRequest>[] = [
    {},
    { method: 'PUT' },
    { target: '/api/guilds/1/warnings' },
    { target: '/api/guilds/1/notes?force' },
    { body: Buffer.from('{"a":1}') },
  ];
  const identities = others.map((other) => keyIdentity('k', { ...keyed, ...other }));
  assert.equal(new Set(identities.map(({ key }) => key)).size, 1);
  assert.equal(new Set(identities.map(({ bodyHash }) => bodyHash)).size, others.length);
});

test('Discord events are told apart by their bodies, interactions and Stripe events by their ids', () => {
  const other = Buffer.from('{"a":1}');
  assert.notEqual(eventWebhookIdentity(body).key, eventWebhookIdentity(other).key);
  assert.equal(interactionIdentity('1', body).key, interactionIdentity('1', other).key);
  assert.notEqual(interactionIdentity('1', body).bodyHash, interactionIdentity('1', other).bodyHash);
  assert.notEqual(interactionIdentity('1', body).key, interactionIdentity('2', body).key);
  assert.equal(stripeIdentity('evt_1', body).key, stripeIdentity('evt_1', other).key);
});
