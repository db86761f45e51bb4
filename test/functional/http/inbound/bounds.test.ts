/** What an HTTP pod does not accept, and what it does not forward. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { MAX_RESPONSE_BODY } from '../../../../src/link/frames.ts';
import { type GatewayRequest, headerValue } from '../../../../src/link/message.ts';
import { signedHeaders, startHttp, startLinkPod, startPlainPod } from '../../../support/http-service.ts';
import { until } from '../../../support/wait.ts';

test("a request to all pods is sent without the client's body", async () => {
  const manifest = { routes: [{ path: '/all', guild: { from: 'all' as const } }] };
  await using http = await startHttp({
    gatewayPods: 1,
    env: { LINK_SECRET: 'the link secret of this test' },
    manifest,
  });
  const seen: GatewayRequest[] = [];
  await using _pod = await startLinkPod(http, 0, (request) => {
    seen.push(request);
    return { status: 200, headers: [], body: Buffer.from('here') };
  });
  await until('the link', () => http.service.readiness().reasons.length === 0);
  const outgoing = httpRequest(`${http.url}/all`, { method: 'GET', headers: { 'content-length': '3' } });
  outgoing.end('abc');
  const [response] = await once(outgoing, 'response');
  response.resume();
  assert.equal(response.statusCode, 200);
  assert.equal(headerValue(seen[0]?.headers ?? [], 'content-length'), undefined);
  assert.equal(seen[0]?.body.length, 0);
});

test('a response that is held in memory is bounded', async () => {
  await using http = await startHttp({
    gatewayPods: 1,
    env: { INTERACTION_BUDGET_MS: '2000', STAND_IN_RESERVE_MS: '100' },
  });
  let sent = 0;
  await using _pod = await startPlainPod(http.gatewayPorts[0] as number, (_request, response) => {
    const chunk = Buffer.alloc(256 * 1024, 'x');
    const more = (): void => {
      while (!response.destroyed && sent < 20 * MAX_RESPONSE_BODY) {
        sent += chunk.length;
        if (!response.write(chunk)) return;
      }
      response.end();
    };
    response.on('drain', more);
    more();
  });
  const body = JSON.stringify({ id: '1', type: 2, guild_id: '197038439483310086', data: { name: 'x' } });
  const response = await fetch(`${http.url}/webhooks/discord`, { method: 'POST', headers: signedHeaders(body), body });
  assert.match(await response.text(), /may have/);
  assert.ok(sent < 4 * MAX_RESPONSE_BODY, `${sent} bytes were taken`);
});

test('a pod that is shutting down refuses a websocket', async () => {
  await using http = await startHttp({ gatewayPods: 1 });
  await using _pod = await startPlainPod(http.gatewayPorts[0] as number, (_request, response) => response.end('here'));
  // Opened before, as balancers do: afterwards no connection is accepted.
  const socket = connect(http.port, '127.0.0.1');
  await once(socket, 'connect');
  await until('the pod has it', async () => (await fetch(http.url)).ok);
  void http.service.drain();
  socket.write('GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  const [answer] = await once(socket, 'data');
  assert.match(String(answer), /^HTTP\/1\.1 503 /);
  socket.destroy();
});

test('a head beyond 16 KiB is refused, on new and reused connections', async () => {
  await using http = await startHttp({ gatewayPods: 1, env: { LINK_SECRET: 'the link secret of this test' } });
  await using _pod = await startLinkPod(http, 0, () => ({ status: 200, headers: [], body: Buffer.from('here') }));
  await until('the link', () => http.service.readiness().ready);
  const get = (headerBytes: number): string =>
    `GET / HTTP/1.1\r\nHost: a\r\nX-Long: ${'x'.repeat(headerBytes)}\r\n\r\n`;
  for (const before of ['', get(1)]) {
    const socket = connect(http.port, '127.0.0.1');
    socket.on('error', () => {});
    let answers = '';
    socket.on('data', (chunk) => {
      answers += chunk;
    });
    if (before !== '') {
      socket.write(before);
      await until('the first answer', () => answers.includes('200 OK'));
    }
    socket.write(get(17 * 1024));
    await once(socket, 'close');
    assert.match(answers, /HTTP\/1\.1 431 /);
  }
});

test('connections beyond MAX_CONNECTIONS are refused, open ones are served', async () => {
  await using http = await startHttp({ gatewayPods: 1, env: { MAX_CONNECTIONS: '2' } });
  const open = async () => {
    const socket = connect(http.port, '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'connect');
    return socket;
  };
  const [first, second] = [await open(), await open()];
  const third = await open();
  await once(third, 'close');
  for (const socket of [first, second]) {
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n');
    const [answer] = await once(socket, 'data');
    assert.match(String(answer), /^HTTP\/1\.1 400 /);
    socket.destroy();
  }
});
