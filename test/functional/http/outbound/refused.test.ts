/** A pod that refuses a request without processing it counts as away, and the request may be retried. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { HEADER } from '../../../../src/link/message.ts';
import { signedHeaders, startHttp, startLinkPod, startPlainPod } from '../../../support/http-service.ts';
import { until } from '../../../support/wait.ts';

const guild = '197038439483310086';
const env = {
  RETRY_BASE_MS: '5',
  REQUEST_TIMEOUT_MS: '3000',
  INTERACTION_BUDGET_MS: '800',
  STAND_IN_RESERVE_MS: '200',
};

test('over plain HTTP a refused request is retried until the right pod is there, whatever its method', async () => {
  for (const [status, why] of [
    [421, 'this is gateway-1, not gateway-0'],
    [503, 'this pod is shutting down'],
  ] as const) {
    await using http = await startHttp({ gatewayPods: 1, env });
    let refusals = 0;
    const served: string[] = [];
    await using pod = await startPlainPod(http.gatewayPorts[0] as number, (request, response) => {
      if (++refusals <= 2) response.writeHead(status, { [HEADER.refusal]: why }).end(why);
      else {
        served.push(request.method ?? '');
        response.end('mine');
      }
    });
    const sockets = new WebSocketServer({ noServer: true });
    pod.on('upgrade', (request: IncomingMessage, socket, head) => {
      if (++refusals <= 2)
        socket.end(`HTTP/1.1 ${status} No\r\n${HEADER.refusal}: ${why}\r\ncontent-length: 0\r\n\r\n`);
      else sockets.handleUpgrade(request, socket, head, (client) => client.close());
    });
    for (const init of [{}, { method: 'POST', body: 'once' }, { headers: { accept: 'text/event-stream' } }]) {
      refusals = 0;
      const response = await fetch(`${http.url}/app/${guild}/x`, init);
      assert.deepEqual([response.status, await response.text(), refusals], [200, 'mine', 3], JSON.stringify(init));
    }
    assert.deepEqual(served, ['GET', 'POST', 'GET']);
    refusals = 0;
    const socket = new WebSocket(`ws://127.0.0.1:${http.port}/app/${guild}/live`);
    await once(socket, 'open');
    assert.equal(refusals, 3);
    socket.terminate();
  }
});

test('a started upload is not retried: its client learns that nothing was done', async () => {
  await using http = await startHttp({ gatewayPods: 1, env });
  let requests = 0;
  await using _pod = await startPlainPod(http.gatewayPorts[0] as number, (request, response) => {
    requests++;
    request
      .resume()
      .on('end', () => response.writeHead(503, { [HEADER.refusal]: 'shutting down' }).end('shutting down'));
  });
  const body = 'x'.repeat(400_000);
  const response = await fetch(`${http.url}/app/${guild}/x`, { method: 'POST', body });
  assert.deepEqual([response.status, await response.text(), requests], [503, 'shutting down', 1]);
});

test('an interaction that its owner refused was not executed, and its caller learns that', async () => {
  await using http = await startHttp({
    gatewayPods: 1,
    // After enough refusals the pod would count as away and get no more requests.
    env: { ...env, LINK_SECRET: 'the link secret of this test', BREAKER_FAILURES: '1000' },
  });
  let refuses = true;
  await using _pod = await startLinkPod(http, 0, (request) => {
    if (request.target.startsWith('/_guildway/')) return { status: 507, headers: [], body: Buffer.alloc(0) };
    return { status: 503, headers: refuses ? [HEADER.refusal, 'starting'] : [], body: Buffer.alloc(0) };
  });
  await until('the link', () => http.service.readiness().reasons.length === 0);
  const interact = async (): Promise<string> => {
    const body = JSON.stringify({ id: '1', type: 2, guild_id: guild, data: { name: 'x' } });
    const init = { method: 'POST', headers: signedHeaders(body), body };
    return (await fetch(`${http.url}/webhooks/discord`, init)).text();
  };
  assert.doesNotMatch(await interact(), /may have/);
  refuses = false;
  assert.match(await interact(), /may have/);
});

test('a pod that waits for topologies to agree is asked once, and the client gets the reason immediately', async () => {
  const secret = { LINK_SECRET: 'the link secret of this test' };
  await using http = await startHttp({ gatewayPods: 1, env: { ...env, ...secret, REQUEST_TIMEOUT_MS: '60000' } });
  const why = 'rows were placed under NUM_GATEWAY_PODS=3, but this pod was given NUM_GATEWAY_PODS=5';
  let asked = 0;
  await using _pod = await startLinkPod(http, 0, ({ target }) => {
    if (target.startsWith('/_guildway/')) return { status: 503, headers: [HEADER.held, why], body: Buffer.alloc(0) };
    asked++;
    return { status: 503, headers: [HEADER.held, why], body: Buffer.from(why) };
  });
  await until('the link', () => http.service.readiness().reasons.length === 0);
  const response = await fetch(`${http.url}/api/guilds/${guild}/notes`, { method: 'POST', body: 'a note' });
  assert.deepEqual([response.status, await response.text(), asked], [503, why, 1]);
  assert.equal(response.headers.get(HEADER.held), null);
  const body = JSON.stringify({ id: '1', type: 2, guild_id: guild, data: { name: 'x' } });
  const interaction = await fetch(`${http.url}/webhooks/discord`, {
    method: 'POST',
    headers: signedHeaders(body),
    body,
  });
  assert.doesNotMatch(await interaction.text(), /may have/);
  assert.equal(asked, 2);
});
