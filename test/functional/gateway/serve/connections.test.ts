// Long-lived streams never keep an HTTP pod from connecting its link.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { startGatewayPod } from '../../../support/gateway-pod.ts';

test('with MAX_CONNECTIONS event streams open, a link still connects and serves; another stream is refused until one ends', {
  timeout: 20_000,
}, async () => {
  const bot = {
    fetch: async (request: Request) =>
      new URL(request.url).pathname === '/stream'
        ? new Response(new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from('data: 1\n\n')) }))
        : new Response('served'),
  };
  await using pod = await startGatewayPod({ bot, env: { MAX_CONNECTIONS: '3' } });
  const streams = await Promise.all(Array.from({ length: 3 }, () => pod.plain('GET', '/stream')));
  assert.deepEqual(
    streams.map(({ status }) => status),
    [200, 200, 200],
  );
  const refused = await pod.plain('GET', '/stream');
  assert.equal(refused.status, 503);
  assert.match(await refused.text(), /3 connections already/);
  assert.equal((await pod.ask('GET', '/')).text, 'served');
  // One for the stream that ends, and one for the link, which counts like the others.
  for (const { body } of streams.slice(0, 2)) await body?.cancel();
  let status = 0;
  while (status !== 200) {
    const response = await pod.plain('GET', '/page');
    status = response.status;
    await response.body?.cancel();
  }
  for (const { body } of streams.slice(2)) await body?.cancel();
});

test('connections that bring no request make room for a link', { timeout: 20_000 }, async () => {
  const bot = { fetch: async () => new Response('served') };
  await using pod = await startGatewayPod({ bot, env: { MAX_CONNECTIONS: '3', HEADERS_TIMEOUT_MS: '600000' } });
  const { port } = new URL(pod.url);
  // More than MAX_CONNECTIONS and the reserve for links.
  const sockets = Array.from({ length: 100 }, (_, i) => {
    const socket = connect(Number(port), '127.0.0.1');
    socket.on('error', () => {}).resume();
    if (i % 2 === 0) socket.write('GET / HTTP/1.1\r\nho');
    return socket;
  });
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  assert.equal((await pod.ask('GET', '/', { timeoutMs: 10_000 })).text, 'served');
  assert.equal((await pod.plain('GET', '/')).status, 503, 'others have no reserve');
  for (const socket of sockets) socket.destroy();
});

test('a connection without a request is closed after HEADERS_TIMEOUT_MS', { timeout: 20_000 }, async () => {
  await using pod = await startGatewayPod({ bot: {}, env: { HEADERS_TIMEOUT_MS: '100', BODY_TIMEOUT_MS: '600000' } });
  const socket = connect(Number(new URL(pod.url).port), '127.0.0.1').resume();
  await once(socket, 'close');
});
