// A message that the link cannot carry fails alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorCode } from '../../../src/errors.ts';
import type { GatewayResponse } from '../../../src/link/message.ts';
import { empty, get, startClient, startPod } from '../../support/link.ts';

const bad: Readonly<Record<string, Partial<GatewayResponse>>> = {
  '/head-over-64-kib': { headers: ['x-large', 'x'.repeat(70_000)] },
  '/head-beside-a-large-body': { headers: ['x-large', 'x'.repeat(70_000)], body: Buffer.alloc(8 * 1024 * 1024) },
  '/33,000-headers': { headers: Array.from({ length: 66_000 }, () => '') },
  '/body-over-8-mib': { body: Buffer.alloc(9 * 1024 * 1024) },
  '/status-0': { status: 0 },
  '/status-70000': { status: 70_000 },
  '/line-break': { headers: ['x-split', 'a\r\nset-cookie: b'] },
};

test('a response that the link cannot carry becomes a 500, and the responses beside it arrive', async () => {
  await using pod = await startPod(async ({ target }) => ({
    status: 200,
    headers: [],
    body: Buffer.from(target),
    ...bad[target],
  }));
  using client = startClient(pod.url);
  for (const target of Object.keys(bad)) {
    const answers = await Promise.all([
      client.request(get('/before'), 5_000),
      client.request(get(target), 5_000),
      client.request(get('/after'), 5_000),
    ]);
    assert.deepEqual(
      answers.map(({ status, body }) => [status, body.toString()]),
      [
        [200, '/before'],
        [500, ''],
        [200, '/after'],
      ],
      target,
    );
  }
  assert.equal(client.state, 'ready');
});

test('a request that the link cannot carry is not sent, and the requests beside it arrive', async () => {
  await using pod = await startPod(async ({ target }) => ({ status: 200, headers: [], body: Buffer.from(target) }));
  using client = startClient(pod.url);
  await client.request(get('/first'), 5_000);
  for (const headers of [['x-large', 'x'.repeat(70_000)], Array.from({ length: 66_000 }, () => '')]) {
    const answers = await Promise.allSettled([
      client.request(get('/before'), 5_000),
      client.request({ method: 'GET', target: '/', headers, body: empty }, 5_000),
      client.request(get('/after'), Number.MAX_SAFE_INTEGER),
    ]);
    assert.deepEqual(
      answers.map((answer) =>
        answer.status === 'fulfilled' ? answer.value.body.toString() : errorCode(answer.reason),
      ),
      ['/before', 'REQUEST_INVALID', '/after'],
    );
  }
  assert.equal(client.state, 'ready');
});
