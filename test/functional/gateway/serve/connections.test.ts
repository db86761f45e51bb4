// Long-lived streams never keep an HTTP pod from connecting its link.
import assert from 'node:assert/strict';
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
