// What an HTTP pod passes on of headers, in both directions.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldsOf, fieldValue, requestHeaders, responseHeaders } from '../../src/http/headers.ts';

/** The names that are left of these fields, in their order. */
const names = (fields: readonly string[]): string[] => fields.filter((_, i) => i % 2 === 0);
const ADDED = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host'];

test('headers of one hop stay there, in both directions, also those that Connection names in whatever case', () => {
  const hop = [
    ...['keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization', 'te', 'trailer'],
    ...['transfer-encoding', 'upgrade', 'http2-settings'],
  ].flatMap((name) => [name, 'x']);
  const raw = ['X-Kept', '1', 'Connection', 'X-Hop, KEEP-ALIVE ,x-other', 'X-hop', '2', 'x-Other', '3', ...hop];
  const fields = fieldsOf(raw);
  assert.deepEqual(names(requestHeaders(fields, '192.0.2.1')), ['x-kept', ...ADDED]);
  assert.deepEqual(responseHeaders(fields), ['x-kept', '1']);
});

test("internal headers are for pods: a client's are dropped, and a pod's do not reach it", () => {
  const fields = ['guildway-deferred', '5', 'guildway-hint', 'x', 'guildway-anything', 'x', 'x-kept', '1'];
  assert.deepEqual(names(requestHeaders(fields, '192.0.2.1')), ['x-kept', ...ADDED]);
  assert.deepEqual(responseHeaders(fields), ['x-kept', '1']);
});

test("a client's address is added behind those that proxies have put there", () => {
  const forwarded = (...fields: string[]) => fieldValue(requestHeaders(fields, '192.0.2.1'), 'x-forwarded-for');
  assert.equal(forwarded(), '192.0.2.1');
  assert.equal(forwarded('x-forwarded-for', '203.0.113.7'), '203.0.113.7, 192.0.2.1');
});

test('the length of a response is left to who sends its body', () => {
  assert.deepEqual(responseHeaders(['content-length', '9', 'content-type', 'text/plain']), [
    'content-type',
    'text/plain',
  ]);
});
