import assert from 'node:assert/strict';
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
  // Longer than the pod itself waits for an answer that is late.
  await delay(500);
  release();
  await drained;
  assert.deepEqual(order, ['begun', 'handled', 'drained']);
});
