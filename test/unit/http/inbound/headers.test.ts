// The headers that an HTTP pod forwards, in both directions.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRequestHeaders, fieldsOf, fieldValue, responseHeaders } from '../../../../src/http/inbound/headers.ts';
import { Proxies, type TrustedProxies } from '../../../../src/http/inbound/proxies.ts';
import { readHead } from '../../../../src/http/inbound/request-head.ts';

/** The names of the remaining fields, in order. */
const names = (fields: readonly string[]): string[] => fields.filter((_, i) => i % 2 === 0);
const ADDED = ['x-forwarded-for', 'x-forwarded-proto', 'guildway-request-id'];

function requestHeaders(
  fields: readonly string[],
  address: string,
  trusted: TrustedProxies = ['192.0.2.0/24', '10.0.0.0/8', '::1/128'],
): string[] {
  return createRequestHeaders(new Proxies(trusted))({ fields, address, id: 'id' });
}

test('hop-by-hop headers are removed in both directions, including those that Connection names in any case', () => {
  const hop = [
    ...['keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization', 'te', 'trailer'],
    ...['transfer-encoding', 'upgrade', 'http2-settings'],
  ].flatMap((name) => [name, 'x']);
  const raw = ['X-Kept', '1', 'Connection', 'X-Hop, KEEP-ALIVE ,x-other', 'X-hop', '2', 'x-Other', '3', ...hop];
  const fields = fieldsOf(raw);
  assert.deepEqual(names(requestHeaders(fields, '192.0.2.1')), ['x-kept', ...ADDED]);
  assert.deepEqual(responseHeaders(fields), ['x-kept', '1']);
});

test('Connection cannot remove the headers that delimit the message', () => {
  const fields = fieldsOf(['Connection', 'Transfer-Encoding, Expect', 'Transfer-Encoding', 'chunked', 'Host', 'a']);
  assert.equal(readHead('POST', '/', '1.1', fields).bodyLength, null, 'it has a body of unknown length');
  assert.deepEqual(names(requestHeaders(fields, '192.0.2.1')), [
    'host',
    'x-forwarded-for',
    'x-forwarded-proto',
    'x-forwarded-host',
    'guildway-request-id',
  ]);
});

test("internal headers are for pods only: a client's are dropped, and a client never gets them", () => {
  const fields = ['guildway-deferred', '5', 'guildway-hint', 'x', 'guildway-anything', 'x', 'x-kept', '1'];
  assert.deepEqual(names(requestHeaders(fields, '192.0.2.1')), ['x-kept', ...ADDED]);
  assert.deepEqual(responseHeaders(fields), ['x-kept', '1']);
});

/** What a gateway pod learns about the origin of a request. */
function origin(fields: readonly string[], address = '192.0.2.1', trusted?: TrustedProxies) {
  const list = requestHeaders(['host', 'own.example', ...fields], address, trusted);
  return ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host'].map((name) => fieldValue(list, name));
}

test("the client's address comes first, followed by those of the trusted proxies", () => {
  const from = (list: string, address?: string, trusted?: TrustedProxies) =>
    origin(['x-forwarded-for', list], address, trusted)[0];
  assert.equal(origin([])[0], '192.0.2.1');
  assert.equal(from('203.0.113.7'), '203.0.113.7, 192.0.2.1');
  assert.equal(from('203.0.113.7, 10.0.0.2'), '203.0.113.7, 10.0.0.2, 192.0.2.1');
  assert.equal(from('1.1.1.1, 203.0.113.7,10.0.0.2'), '203.0.113.7, 10.0.0.2, 192.0.2.1', 'what a client made up');
  assert.equal(from('1.1.1.1', '203.0.113.7'), '203.0.113.7', 'a peer that is not trusted');
  assert.equal(from('203.0.113.7:4711, [::1]:80'), '203.0.113.7, ::1, 192.0.2.1');
  assert.equal(from('2001:db8::7', '::ffff:192.0.2.1'), '2001:db8::7, 192.0.2.1');
  for (const garbage of ['unknown', '_hidden', '10.0.0', 'x\ty', '1.1.1.1, unknown', '']) {
    assert.equal(from(garbage), '192.0.2.1', garbage);
  }
  assert.equal(
    origin(['x-forwarded-for', '203.0.113.7', 'x-forwarded-for', '10.0.0.2'])[0],
    '203.0.113.7, 10.0.0.2, 192.0.2.1',
  );
  // By their number.
  assert.equal(from('1.1.1.1, 203.0.113.7', '8.8.8.8', 1), '203.0.113.7, 8.8.8.8');
  assert.equal(from('1.1.1.1, 203.0.113.7, 9.9.9.9', '8.8.8.8', 2), '203.0.113.7, 9.9.9.9, 8.8.8.8');
  assert.equal(from('203.0.113.7', '8.8.8.8', 3), '203.0.113.7, 8.8.8.8');
});

test('protocol and host come from the first proxy, if it is trusted', () => {
  const proxied = (proto: string, host: string, address?: string) =>
    origin(['x-forwarded-proto', proto, 'x-forwarded-host', host], address).slice(1);
  assert.deepEqual(origin([]).slice(1), ['http', 'own.example']);
  assert.deepEqual(proxied('https', 'bot.example'), ['https', 'bot.example']);
  assert.deepEqual(proxied('https,http', 'a.example, b.example'), ['https', 'a.example']);
  assert.deepEqual(proxied('HTTPS , http', ' a.example:8443'), ['https', 'a.example:8443']);
  assert.deepEqual(proxied('wss', '[2001:db8::1]:443'), ['https', '[2001:db8::1]:443']);
  for (const host of ['', 'a b', 'a/b', 'user@a', 'a?b', 'a#b', 'a\\b', '[a', 'a:b', ',b.example']) {
    assert.deepEqual(proxied('gopher', host), ['http', 'own.example'], host);
  }
  assert.deepEqual(proxied('https', 'evil.example', '203.0.113.7'), ['http', 'own.example']);
});

test('Forwarded is read if no proxy sets X-Forwarded-*, and is never forwarded', () => {
  const forwarded = (value: string, ...more: string[]) => origin(['forwarded', value, ...more]);
  const all = ['203.0.113.7, 10.0.0.2, 192.0.2.1', 'https', 'bot.example'];
  assert.deepEqual(forwarded('for=203.0.113.7;proto=https;host=bot.example, for=10.0.0.2;proto=http'), all);
  assert.deepEqual(forwarded('For="203.0.113.7:47";Proto=HTTPS;Host="bot.example"', 'forwarded', 'for=10.0.0.2'), all);
  assert.deepEqual(forwarded('for="[2001:db8::7]:1"')[0], '2001:db8::7, 192.0.2.1');
  assert.deepEqual(forwarded('for=_x, for=10.0.0.2')[0], '10.0.0.2, 192.0.2.1');
  for (const wrong of ['for', 'for=a b', '="x"', 'for="x', 'proto=https;;=', 'host="a, b"']) {
    assert.deepEqual(forwarded(wrong).slice(1), ['http', 'own.example'], wrong);
  }
  const mixed = forwarded('for=1.1.1.1;proto=https;host=evil.example', 'x-forwarded-for', '203.0.113.7');
  assert.deepEqual(mixed, ['203.0.113.7, 192.0.2.1', 'http', 'own.example']);
  assert.deepEqual(names(requestHeaders(['forwarded', 'for=1.1.1.1'], '192.0.2.1')), ADDED);
});

test('forwarding headers of an untrusted peer are dropped', () => {
  const fields = [
    'x-real-ip',
    '1.1.1.1',
    'x-forwarded-port',
    '443',
    'x-forwarded-prefix',
    '/x',
    'forwarded',
    'for=1.1.1.1',
  ];
  assert.deepEqual(names(requestHeaders(fields, '203.0.113.7')), ADDED);
  assert.deepEqual(names(requestHeaders(fields, '192.0.2.1')), [
    'x-real-ip',
    'x-forwarded-port',
    'x-forwarded-prefix',
    ...ADDED,
  ]);
});

test('the sender of the body sets the length of a response', () => {
  assert.deepEqual(responseHeaders(['content-length', '9', 'content-type', 'text/plain']), [
    'content-type',
    'text/plain',
  ]);
});
