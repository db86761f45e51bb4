import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startGatewayPod } from '../../../support/gateway-pod.ts';
import { GUILD } from '../../../support/interactions.ts';
import { NOTES } from '../../../support/store.ts';
import { until } from '../../../support/wait.ts';

test('a draining pod waits for a handler whose client has disconnected', async () => {
  const order: string[] = [];
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  await using pod = await startGatewayPod({
    bot: {
      tables: ['notes'],
      migrations: [NOTES],
      async fetch(_request, context) {
        order.push('begun');
        await released;
        context.transaction((db) => db.run('INSERT INTO notes (guild_id, text) VALUES (?, ?)', GUILD, 'late').changes);
        order.push('handled');
        return new Response('late');
      },
    },
  });
  const headers = ['idempotency-key', 'one'];
  const gone = pod.ask('POST', `/api/guilds/${GUILD}/notes`, { headers, timeoutMs: 1_000 });
  await until('it runs', () => order.length === 1);
  await assert.rejects(gone, { code: 'DEADLINE_EXCEEDED' });
  const drained = pod.service.drain().then(() => order.push('drained'));
  // Longer than the pod itself waits for a late response.
  await delay(500);
  release();
  await drained;
  assert.deepEqual(order, ['begun', 'handled', 'drained']);
});

test('idle connections do not delay a draining pod, and a connection with a request gets its response', async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  let running = 0;
  const bot = {
    async fetch() {
      running++;
      await released;
      return new Response('answered');
    },
  };
  // Without a separate limit the drain would last as long as these.
  const env = { HEADERS_TIMEOUT_MS: '600000', BODY_TIMEOUT_MS: '600000', KEEP_ALIVE_MS: '600000' };
  await using pod = await startGatewayPod({ bot, env });
  const sockets = ['', 'GET / HTTP/1.1\r\nhost: p', 'GET /refused HTTP/1.1\r\nhost: p\r\n\r\n'].map((bytes) => {
    const socket = connect({ port: pod.service.port, host: '127.0.0.1' }, () => socket.write(bytes));
    socket.on('error', () => {}).resume();
    return socket;
  });
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  const asked = pod.plain('GET', '/');
  await until('the handler runs', () => running === 1);

  const drained = pod.service.drain();
  await Promise.all(sockets.map((socket) => socket.closed || once(socket, 'close')));
  release();
  const response = await asked;
  assert.equal(response.status, 200);
  assert.equal(await response.text(), 'answered');
  await drained;
});
