import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createRouteTable,
  DEFAULT_ROUTES,
  type GuildSource,
  guildOfRequest,
  type RouteRule,
  readPointer,
} from '../../../src/routing/route-table.ts';

const id = '197038439483310086';
const source = (parts: { query?: string; headers?: Record<string, string>; body?: string }): GuildSource => ({
  query: parts.query ?? '',
  header: (name) => parts.headers?.[name],
  json: () => JSON.parse(parts.body ?? 'null'),
});

function resolve(rules: readonly RouteRule[], path: string, parts: Parameters<typeof source>[0] = {}): unknown {
  const match = createRouteTable(rules).match(path);
  return match === null ? null : guildOfRequest(match, source(parts));
}

test('default routes: pages and APIs by path, Stripe by its metadata', () => {
  const guild = { kind: 'guild', guildId: id };
  for (const path of [
    `/app/${id}`,
    `/app/${id}/`,
    `/app/${id}/log/2`,
    `/api/guilds/${id}`,
    `/api/guilds/${id}/notes`,
  ]) {
    assert.deepEqual(resolve(DEFAULT_ROUTES, path), guild, path);
  }
  for (const path of ['/', '/app', '/app/', '/apps/1', `/x/app/${id}`, '/api/guilds', '/api/guilds/', '']) {
    assert.equal(resolve(DEFAULT_ROUTES, path), null, path);
  }
  const stripe = (object: unknown) =>
    resolve(DEFAULT_ROUTES, '/webhooks/stripe', { body: JSON.stringify({ data: { object } }) });
  assert.deepEqual(stripe({ metadata: { guild_id: id }, client_reference_id: '1' }), guild);
  assert.deepEqual(stripe({ metadata: {}, client_reference_id: id }), guild);
});

test("Stripe's events: the first pointer that holds a guild id wins, whatever the others hold", () => {
  const stripe = (object: unknown) =>
    resolve(DEFAULT_ROUTES, '/webhooks/stripe', { body: JSON.stringify({ data: { object } }) });
  const details = { subscription_details: { metadata: { guild_id: id } } };
  for (const object of [
    { metadata: { guild_id: '' }, client_reference_id: id },
    { metadata: { guild_id: 'x' }, client_reference_id: id },
    { metadata: { guild_id: '1042' }, client_reference_id: id },
    { client_reference_id: 'cart_42', parent: details },
    { metadata: {}, parent: details },
    { metadata: { guild_id: null }, ...details },
    { lines: { data: [{ metadata: { guild_id: id } }] } },
  ]) {
    assert.deepEqual(stripe(object), { kind: 'guild', guildId: id }, JSON.stringify(object));
  }
  for (const object of [
    null,
    {},
    { client_reference_id: 'cart_42' },
    { client_reference_id: '1042' },
    { metadata: { guild_id: '' } },
    { metadata: { guild_id: { toString: 1 } } },
    { metadata: { guild_id: Number(id) } },
  ]) {
    assert.deepEqual(stripe(object), { kind: 'none' }, JSON.stringify(object));
  }
});

test('a strict rule rejects a body whose id is not a guild id', () => {
  const rules: RouteRule[] = [{ path: '/api', guild: { from: 'json', pointers: ['/a', '/b'], strict: true } }];
  const api = (body: unknown) => resolve(rules, '/api', { body: JSON.stringify(body) });
  assert.deepEqual(api({ a: 'x', b: id }), { kind: 'guild', guildId: id });
  assert.deepEqual(api({ a: null }), { kind: 'none' });
  assert.deepEqual(api({ a: Number(id) }), { kind: 'invalid', value: String(Number(id)) });
  assert.deepEqual(api({ b: { toString: 1 } }), { kind: 'invalid', value: 'object' });
});

test('an invalid guild id stays invalid, encoded or not', () => {
  for (const segment of [
    '0',
    '01',
    '-1',
    'abc',
    '..',
    '%31',
    '%2e%2e',
    '123456789012345678901',
    '\u0661',
    `${id}%00`,
  ]) {
    assert.deepEqual(resolve(DEFAULT_ROUTES, `/app/${segment}/x`), { kind: 'invalid', value: segment });
  }
});

test('a number older than Discord is not a guild', () => {
  for (const number of ['1', '123', '9999999999999999']) {
    assert.deepEqual(resolve(DEFAULT_ROUTES, `/app/${number}`), { kind: 'unknown', value: number });
  }
  assert.equal((resolve(DEFAULT_ROUTES, '/app/10000000000000000') as { kind: string }).kind, 'guild');
});

test('a bot adds routes by path, query, header and JSON pointer, and the first that matches wins', () => {
  const rules: RouteRule[] = [
    { path: '/g/:guildId/m/:member', guild: { from: 'path' } },
    { path: '/by-query', guild: { from: 'query', name: 'guild' } },
    { path: '/by-header/*', guild: { from: 'header', name: 'X-Guild' } },
    { path: '/by-json', guild: { from: 'json', pointers: ['/a~1b/0', '/c'] } },
    { path: '/all', guild: { from: 'all' } },
    { path: '/', guild: { from: 'none' } },
    { path: '/app/:guildId/mine', guild: { from: 'none' } },
    ...DEFAULT_ROUTES,
  ];
  const guild = { kind: 'guild', guildId: id };
  assert.deepEqual(resolve(rules, `/g/${id}/m/7`), guild);
  assert.equal(resolve(rules, `/g/${id}/m`), null);
  assert.equal(resolve(rules, `/g/${id}/m/7/8`), null);
  assert.equal(resolve(rules, `/g//m/7`), null);
  assert.deepEqual(resolve(rules, '/by-query', { query: `x=1&guild=${id}` }), guild);
  assert.deepEqual(resolve(rules, '/by-query'), { kind: 'none' });
  assert.deepEqual(resolve(rules, '/by-header/any/thing', { headers: { 'x-guild': id } }), guild);
  assert.deepEqual(resolve(rules, '/by-json', { body: JSON.stringify({ 'a/b': [id] }) }), guild);
  assert.deepEqual(resolve(rules, '/by-json', { body: JSON.stringify({ c: id }) }), guild);
  assert.deepEqual(resolve(rules, '/by-json', { body: JSON.stringify({ 'a/b': ['order-7'], c: id }) }), guild);
  assert.deepEqual(resolve(rules, '/all'), { kind: 'all' });
  assert.deepEqual(resolve(rules, '/'), { kind: 'none' });
  assert.deepEqual(resolve(rules, `/app/${id}/mine`), { kind: 'none' });
  assert.deepEqual(resolve(rules, `/app/${id}/other`), guild);
});

test('an unusable pattern is rejected when it is declared', () => {
  const wrong: RouteRule[] = [
    { path: 'app', guild: { from: 'none' } },
    { path: '/a/*/b', guild: { from: 'none' } },
    { path: '/a//b', guild: { from: 'none' } },
    { path: '/a/:id', guild: { from: 'path' } },
    { path: '/a', guild: { from: 'json', pointers: ['a'] } },
  ];
  for (const rule of wrong) assert.throws(() => createRouteTable([rule]), { code: 'CONFIG_INVALID' }, rule.path);
});

test('JSON pointers see only own properties and never throw', () => {
  assert.equal(readPointer({}, '/__proto__/constructor/name'), undefined);
  assert.equal(readPointer('text', '/length'), undefined);
  for (const inherited of ['toString', 'constructor', '__proto__', 'hasOwnProperty'])
    assert.equal(readPointer({}, `/${inherited}`), undefined, inherited);
  assert.equal(readPointer({ 'm~n': 8 }, '/m~0n'), 8);
  fc.assert(fc.property(fc.jsonValue(), fc.string(), (document, path) => void readPointer(document, `/${path}`)));
});

test('no path makes the table throw or yield an invalid id', () => {
  const table = createRouteTable(DEFAULT_ROUTES);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((text) => `/app/${text}`),
      ),
      (path) => {
        const match = table.match(path);
        if (match === null) return;
        const guild = guildOfRequest(match, source({ body: '{}' }));
        if (guild.kind === 'guild') assert.match(guild.guildId, /^[1-9][0-9]{0,19}$/);
      },
    ),
  );
});
