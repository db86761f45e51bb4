import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Guard, type Verdict } from '../../../../src/gateway/serve/guard.ts';
import { headerValue } from '../../../../src/link/message.ts';
import type { RouteRule } from '../../../../src/routing/route-table.ts';
import { createTopology } from '../../../../src/routing/topology.ts';
import { ownershipOf } from '../../../support/ownership.ts';

/** Owner 1 under md5/3. */
const MINE = '102860784329052160';
/** Owner 2. */
const OTHER = '81384788765712384';

const routes: RouteRule[] = [
  { path: '/by-header', guild: { from: 'header', name: 'X-Guild' } },
  { path: '/by-query', guild: { from: 'query', name: 'guild' } },
  { path: '/all', guild: { from: 'all' } },
  { path: '/pod-0', guild: { from: 'none' } },
  // A bot cannot take Discord's path.
  { path: '/webhooks/discord', guild: { from: 'none' } },
];
const guardOf = (ordinal: number) =>
  new Guard({ ownership: ownershipOf(ordinal, createTopology({ strategy: 'md5', pods: 3, epoch: 7 })), routes });

function check(
  ordinal: number,
  target: string,
  options: { method?: string | null; headers?: string[]; body?: string } = {},
): Verdict {
  const guard = guardOf(ordinal);
  const [path = '', query = ''] = target.split('?');
  return guard.check(guard.match(path), {
    method: options.method ?? 'POST',
    path,
    query,
    headers: options.headers ?? [],
    json: () => JSON.parse(options.body ?? ''),
  });
}

test('requests for its own guild pass, wherever they name it', () => {
  const mine = { kind: 'mine', guildId: MINE };
  assert.deepEqual(check(1, `/app/${MINE}`), mine);
  assert.deepEqual(check(1, `/api/guilds/${MINE}/cases?page=2`), mine);
  assert.deepEqual(check(1, '/by-header', { headers: ['x-guild', MINE] }), mine);
  assert.deepEqual(check(1, `/by-query?guild=${MINE}`), mine);
  assert.deepEqual(check(1, '/webhooks/discord', { body: JSON.stringify({ guild_id: MINE }) }), mine);
  for (const data of [{ guild_id: MINE }, { guild: { id: MINE } }]) {
    assert.deepEqual(check(1, '/webhooks/discord-events', { body: JSON.stringify({ event: { data } }) }), mine);
  }
  const stripe = { data: { object: { metadata: { guild_id: MINE } } } };
  assert.deepEqual(check(1, '/webhooks/stripe', { body: JSON.stringify(stripe) }), mine);
});

test("the guild of a command's registration is not the guild of its use", () => {
  const body = JSON.stringify({ data: { guild_id: OTHER }, guild_id: MINE });
  assert.deepEqual(check(1, '/webhooks/discord', { body }), { kind: 'mine', guildId: MINE });
});

test("requests for another pod's guild get 421 with the owner and the epoch", () => {
  const verdict = check(1, `/app/${OTHER}`);
  assert.ok(verdict.kind === 'misdirected');
  const { status, headers, body } = verdict.response;
  assert.deepEqual(
    [status, headerValue(headers, 'guildway-owner'), headerValue(headers, 'guildway-epoch')],
    [421, '2', '7'],
  );
  assert.match(body.toString(), /belongs to gateway-2, not to gateway-1, under md5\/3, epoch 7/);
});

test('a request without a guild belongs to pod 0, but any pod serves reads; a request to all pods belongs to each', () => {
  const mine = { kind: 'mine', guildId: null };
  for (const target of ['/', '/nothing/here', '/by-query', '/by-header', '/pod-0']) {
    for (const method of ['GET', 'POST', 'DELETE', null])
      assert.deepEqual(check(0, target, { method }), mine, `${method} ${target}`);
    for (const method of ['POST', 'DELETE', null])
      assert.equal(check(1, target, { method }).kind, 'misdirected', `${method} ${target}`);
    const read = check(1, target, { method: 'GET' });
    if (target === '/pod-0') assert.equal(read.kind, 'misdirected', 'its route asks for pod 0');
    else assert.deepEqual([read, check(1, target, { method: 'HEAD' })], [mine, mine], target);
  }
  for (const ordinal of [0, 1, 2]) assert.deepEqual(check(ordinal, '/all'), { kind: 'mine', guildId: null });
});

test('an invalid guild id gets 400 and reaches no handler', () => {
  const bad = [
    '0',
    '01',
    '-1',
    '+1',
    '1.0',
    ' 1',
    '18446744073709551616',
    '123456789012345678901',
    'abc',
    '..',
    '%2e%2e',
  ];
  for (const value of [...bad, '１２３', '١٢٣']) {
    const verdict = check(0, `/app/${value}`);
    assert.ok(verdict.kind === 'invalid', value);
    assert.equal(verdict.response.status, 400);
    assert.equal(check(0, '/by-header', { headers: ['x-guild', value] }).kind, 'invalid', value);
    assert.equal(check(0, '/webhooks/discord', { body: JSON.stringify({ guild_id: value }) }).kind, 'invalid', value);
  }
  for (const value of [1, true, [], {}, '']) {
    assert.equal(
      check(0, '/webhooks/discord', { body: JSON.stringify({ guild_id: value }) }).kind,
      'invalid',
      String(value),
    );
  }
  assert.equal(check(0, '/webhooks/discord', { body: 'not JSON' }).kind, 'invalid');
  for (const small of ['1', '123', '9999999999999999']) {
    for (const verdict of [check(0, `/app/${small}`), check(0, '/by-header', { headers: ['x-guild', small] })]) {
      assert.ok(verdict.kind === 'invalid', small);
      assert.equal(verdict.response.status, 404, 'a number, but older than Discord');
    }
  }
});
