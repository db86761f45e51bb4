import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endToEnd, fieldValue, HEADER, headerValue, withoutNamedByConnection } from '../../../src/protocol/headers.ts';
import { podStatement } from '../../../src/protocol/pod-statement.ts';

test('hop-by-hop headers are never forwarded, whichever Connection field names them, in any case', () => {
  const fields = [
    ...['connection', 'X-One, close', 'x-one', '1', 'connection', ' x-TWO ', 'x-two', '2', 'x-three', '3'],
    ...['keep-alive', '5', 'te', 'x', 'trailer', 'x', 'transfer-encoding', 'chunked', 'upgrade', 'h2c', 'expect', 'x'],
    ...['proxy-authorization', 'x', 'proxy-authentication-info', 'x', 'http2-settings', 'x', 'proxy-connection', 'x'],
  ];
  assert.deepEqual(endToEnd(fields), ['x-three', '3']);
});

test('Connection cannot remove headers meant for the owner', () => {
  const named = 'Idempotency-Key, AUTHORIZATION, cookie, host, content-type, accept, if-match, sec-fetch-site';
  const ours = 'x-forwarded-for, stripe-signature, x-signature-ed25519, guildway-hint, connection';
  const fields = ['idempotency-key', 'k', 'authorization', 'a', 'cookie', 'c', 'stripe-signature', 's', 'x-gone', '1'];
  const kept = withoutNamedByConnection(['connection', `${named}, ${ours}`, 'connection', 'x-gone', ...fields]);
  assert.deepEqual(endToEnd(kept), fields.slice(0, -2));
});

test('repeated fields are joined, or the first value is read', () => {
  const fields = ['a', '1', 'b', '2', 'a', '3'];
  assert.deepEqual(
    [fieldValue(fields, 'a'), headerValue(fields, 'a'), fieldValue(fields, 'c')],
    ['1, 3', '1', undefined],
  );
});

test("only a marked response is a pod's own statement", () => {
  for (const status of [200, 401, 410, 421, 429, 500, 503]) assert.equal(podStatement(status, ['x', 'y']), null);
  assert.equal(podStatement(200, [HEADER.refusal, 'x', HEADER.owner, '1']), null);
  assert.equal(podStatement(503, [HEADER.owner, '1']), null);
  assert.deepEqual(podStatement(503, [HEADER.refusal, 'draining']), { kind: 'refused', why: 'draining' });
  assert.deepEqual(podStatement(503, [HEADER.held, 'rows elsewhere']), { kind: 'held', why: 'rows elsewhere' });
  assert.deepEqual(podStatement(500, [HEADER.failure, 'disk']), { kind: 'failed', why: 'disk' });
  const redirect = podStatement(421, [HEADER.owner, '2', HEADER.epoch, '7']);
  assert.deepEqual(redirect, { kind: 'redirect', owner: 2, epoch: 7, topology: null });
  const inMove = podStatement(421, [HEADER.owner, '2', HEADER.epoch, '7', HEADER.topology, 'md5/5@7']);
  assert.deepEqual(inMove, { kind: 'redirect', owner: 2, epoch: 7, topology: 'md5/5@7' });
  for (const wrong of ['', '-1', '1e3', 'x', '0x1', ' 1']) {
    assert.deepEqual(podStatement(421, [HEADER.owner, wrong]), {
      kind: 'redirect',
      owner: Number.NaN,
      epoch: Number.NaN,
      topology: null,
    });
  }
});
