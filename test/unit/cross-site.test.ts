import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCrossSite, isTrustedHost } from '../../src/cross-site.ts';

test('a cross-site request is detected by Sec-Fetch-Site, or by Origin in old browsers', () => {
  const from = (headers: Record<string, string>, trusted?: string[]) =>
    isCrossSite((name) => headers[name], 'bot.example:8443', trusted);
  assert.equal(from({}), false, 'no browser');
  assert.equal(from({ 'sec-fetch-site': 'same-origin', origin: 'https://elsewhere.example' }), false);
  assert.equal(from({ 'sec-fetch-site': 'none' }), false, 'typed into the address bar');
  assert.equal(from({ 'sec-fetch-site': 'same-site' }), true, 'another subdomain may belong to another party');
  assert.equal(from({ 'sec-fetch-site': 'cross-site' }), true);
  assert.equal(from({ origin: 'https://bot.example:8443' }), false);
  assert.equal(from({ origin: 'https://bot.example' }), true, 'another port is another origin');
  assert.equal(from({ origin: 'null' }), true);
  assert.equal(from({ origin: 'not an origin' }), true);
  const trusted = ['https://dash.example'];
  assert.equal(from({ origin: 'https://dash.example', 'sec-fetch-site': 'cross-site' }, trusted), false);
  assert.equal(from({ origin: 'https://dash.example.evil.example' }, trusted), true);
});

test('a host name that another site could point at this machine is not trusted', () => {
  const names = ['ops.internal'];
  for (const host of [
    '127.0.0.1:9090',
    '10.1.2.3',
    '[::1]:9090',
    'localhost',
    'pod.localhost:1',
    'LOCALHOST.',
    'ops.internal:9090',
  ]) {
    assert.equal(isTrustedHost(host, names), true, host);
  }
  for (const host of [
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'ops.internal@evil.example',
    '',
    'a b',
    'x/127.0.0.1',
  ]) {
    assert.equal(isTrustedHost(host, names), false, JSON.stringify(host));
  }
  assert.equal(isTrustedHost(undefined, names), true, 'HTTP/1.0, which no browser speaks');
});
