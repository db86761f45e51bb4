// Time limits of a gateway pod's own HTTP server, which come from the configuration.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { startGatewayPod } from '../../../support/gateway-pod.ts';

const bot = { fetch: async () => new Response('fine') };

test('a gateway pod starts with every allowed time limit', async () => {
  // Node refuses a limit for headers that is longer than the one for the whole request, which is 300 s by default.
  await using pod = await startGatewayPod({ bot, env: { HEADERS_TIMEOUT_MS: '600000', BODY_TIMEOUT_MS: '100' } });
  assert.equal((await pod.plain('GET', '/')).status, 200);
});

test('an idle connection to a gateway pod is closed after KEEP_ALIVE_MS', async () => {
  await using pod = await startGatewayPod({ bot, env: { KEEP_ALIVE_MS: '100' } });
  const idle = connect({ port: pod.service.port, host: '127.0.0.1' });
  await once(idle, 'connect');
  // A refusal is a response too, and leaves the connection open for the next request.
  idle.write('GET / HTTP/1.1\r\nhost: pod\r\n\r\n');
  assert.match(await text(idle), /^HTTP\/1\.1 401 [\s\S]*\r\nkeep-alive: timeout=/i);
});

test('while a pod drains, a stream continues for STREAM_DRAIN_MS and is then cut', async () => {
  const streaming = { fetch: async () => new Response(new ReadableStream({ pull: () => new Promise(() => {}) })) };
  await using pod = await startGatewayPod({ bot: streaming, env: { STREAM_DRAIN_MS: '100' } });
  const response = await pod.plain('GET', '/');
  const startedAt = performance.now();
  const cut = assert.rejects(response.text());
  await pod.service.drain();
  await cut;
  const lastedMs = performance.now() - startedAt;
  assert.ok(lastedMs > 90 && lastedMs < 2_500, `${lastedMs} ms`);
});
