import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collect } from '../../../../src/gateway/dispatch/reply.ts';
import { fromWebHeaders, toWebRequest } from '../../../../src/gateway/dispatch/web-request.ts';
import { inMs } from '../../../../src/time.ts';

function streamOf(...chunks: string[]): ReadableStream<Uint8Array> {
  return ReadableStream.from(chunks.map((chunk) => Buffer.from(chunk)));
}

test('a stream is read to its end, up to a limit of size and time', async () => {
  assert.deepEqual(await collect(streamOf(), 10, inMs(1_000)), { kind: 'whole', body: Buffer.alloc(0) });
  assert.deepEqual(await collect(streamOf('abc'), 3, inMs(1_000)), { kind: 'whole', body: Buffer.from('abc') });
  assert.deepEqual(await collect(streamOf('ab', 'c'), 3, inMs(1_000)), { kind: 'whole', body: Buffer.from('abc') });
  assert.deepEqual(await collect(streamOf('ab', 'cd'), 3, inMs(1_000)), { kind: 'too-large' });
  let cancelled = 0;
  const endless = new ReadableStream<Uint8Array>({ cancel: () => void cancelled++ });
  assert.deepEqual(await collect(endless, 3, inMs(20)), { kind: 'too-slow' });
  assert.equal(cancelled, 1);
  const broken = new ReadableStream<Uint8Array>({ pull: () => Promise.reject(new Error('broken')) });
  await assert.rejects(collect(broken, 3, inMs(1_000)), /broken/);
});

test('a web request contains what the client sent, and nothing of this hop', async () => {
  const { signal } = new AbortController();
  const headers = [
    ...['host', 'inner:3000', 'x-forwarded-host', 'bot.example', 'x-forwarded-proto', 'https'],
    ...['connection', 'keep-alive', 'transfer-encoding', 'chunked', 'guildway-auth', 'v1', 'cookie', 'a=1'],
  ];
  const request = toWebRequest({ method: 'POST', target: '/app/1?x=%20', headers, body: Buffer.from('hi'), signal });
  assert.equal(request.url, 'https://bot.example/app/1?x=%20');
  assert.equal(await request.text(), 'hi');
  assert.deepEqual([...request.headers.keys()].toSorted(), ['cookie', 'host', 'x-forwarded-host', 'x-forwarded-proto']);
  // A GET with a body is not a valid web request; the handler does not see the body.
  assert.equal(toWebRequest({ method: 'GET', target: '/', headers: [], body: Buffer.from('x'), signal }).body, null);
  for (const method of ['TRACE', 'CONNECT', 'TRACK']) {
    assert.throws(() => toWebRequest({ method, target: '/', headers: [], body: null, signal }), TypeError, method);
  }
  assert.throws(
    () => toWebRequest({ method: 'GET', target: '/', headers: ['host', 'a b'], body: null, signal }),
    TypeError,
  );
  // Not another host.
  const slashes = toWebRequest({
    method: 'GET',
    target: '//evil.example/x',
    headers: ['host', 'a.example'],
    body: null,
    signal,
  });
  assert.equal(slashes.url, 'http://a.example//evil.example/x');
});

test('a response keeps its headers, with separate cookies', () => {
  const headers = new Headers({ 'content-type': 'text/plain', connection: 'close', 'guildway-pod': '9' });
  headers.append('set-cookie', 'a=1');
  headers.append('set-cookie', 'b=2');
  assert.deepEqual(fromWebHeaders(headers), ['content-type', 'text/plain', 'set-cookie', 'a=1', 'set-cookie', 'b=2']);
});
