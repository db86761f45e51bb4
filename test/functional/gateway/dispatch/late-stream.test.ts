// Unread streams: their sources must be cancelled, or they produce until the process ends.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startGatewayPod } from '../../../support/gateway-pod.ts';
import { GUILD } from '../../../support/interactions.ts';
import { until } from '../../../support/wait.ts';

/** A bot with an endless response, which starts on request. */
function endlessBot(headers: Record<string, string> = {}) {
  const begin = Promise.withResolvers<void>();
  let cancelled = 0;
  const source = { pull: () => new Promise<void>(() => {}), cancel: () => void cancelled++ };
  return {
    begin: () => begin.resolve(),
    cancelled: () => cancelled,
    bot: {
      async fetch() {
        await begin.promise;
        return new Response(new ReadableStream(source), { headers });
      },
    },
  };
}

test('a stream that arrives after its 504 is cancelled at its source', async () => {
  const { bot, begin, cancelled } = endlessBot();
  await using pod = await startGatewayPod({ bot });
  const response = await pod.plain('GET', `/app/${GUILD}`, { headers: { 'guildway-deadline-ms': '1' } });
  assert.equal(response.status, 504);
  assert.equal(cancelled(), 0);
  begin();
  await until('its source is told', () => cancelled() === 1);
});

test('a stream is cancelled if its head cannot be sent or if only the head was requested', async () => {
  const refused = endlessBot({ 'x-odd': 'a\x01b' });
  {
    await using pod = await startGatewayPod(refused);
    refused.begin();
    assert.equal((await pod.plain('GET', `/app/${GUILD}`)).status, 500);
    await until('its source is told', () => refused.cancelled() === 1);
  }
  const head = endlessBot();
  await using pod = await startGatewayPod(head);
  head.begin();
  assert.equal((await pod.plain('HEAD', `/app/${GUILD}`)).status, 200);
  await until('its source is told', () => head.cancelled() === 1);
});
