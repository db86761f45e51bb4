import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isHost } from '../../../../src/http/inbound/host.ts';

test('a host is a name or an address with an optional port', () => {
  for (const text of ['bot.example', 'bot_1.example:8443', '127.0.0.1:80', '[::1]', '[::1]:80'])
    assert.ok(isHost(text), text);
  for (const text of ['', 'a,b', 'a b', 'user@a', 'a/b', 'a:b', 'a:123456', '[::1', 'a\r\nb', 'x'.repeat(301)]) {
    assert.ok(!isHost(text), JSON.stringify(text));
  }
});

test('a host is one that a gateway pod can make a URL of', () => {
  for (const text of ['a:65535', 'a:0', '1.2.3', 'a..b', '-a', 'xn--bcher-kva.example']) {
    assert.ok(isHost(text), text);
    assert.ok(new URL(`http://${text}`));
  }
  for (const text of ['a:65536', 'a:99999', '[::1]:70000', '999.1.1.1', '1.2.3.4.5', 'a.1', '[::1::]', '[1.2.3.4]'])
    assert.ok(!isHost(text), text);
});
