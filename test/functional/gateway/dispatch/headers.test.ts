// Headers of responses over plain HTTP, whose names and values stand in one list.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startGatewayPod } from '../../../support/gateway-pod.ts';

test("a header value that equals another header's name is not mistaken for that header", async () => {
  const headers = { 'access-control-expose-headers': 'content-length' };
  await using pod = await startGatewayPod({ bot: { fetch: async () => new Response(null, { headers }) } });
  const response = await pod.plain('GET', '/');
  assert.equal(response.headers.get('access-control-expose-headers'), 'content-length');
  assert.equal(response.headers.get('content-length'), '0');
});

test('a content-length set by the bot is sent once', async () => {
  const bot = { fetch: async () => new Response(null, { headers: { 'content-length': '5' } }) };
  await using pod = await startGatewayPod({ bot });
  const response = await pod.plain('HEAD', '/');
  assert.equal(response.headers.get('content-length'), '5');
});
