/** Upgrades, readiness, and the shutdown of an HTTP pod. */
// Of src/http/endpoints/{upgrades,upgrade-response}.ts, src/http/outbound/{upgrade-transport,reachability}.ts, src/end-socket.ts.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { startHttp, startLinkPod, startPlainPod } from '../../support/http-service.ts';

const id = '197038439483310086';
const secret = 'the link secret of this test';

async function until(what: string, probe: () => boolean): Promise<void> {
  for (const end = performance.now() + 30_000; !probe(); ) {
    if (performance.now() > end) assert.fail(what);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function raw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(bytes);
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  await once(socket, 'close');
  return answer;
}

const upgrade = (target: string, protocol = 'websocket', connection = 'upgrade') =>
  `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: ${connection}\r\nUpgrade: ${protocol}\r\n` +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';

test("a websocket waits for its owner; a pod's response other than 101 reaches the client", async () => {
  await using http = await startHttp({ gatewayPods: 1, env: { RETRY_BASE_MS: '5' } });
  const socket = new WebSocket(`ws://127.0.0.1:${http.port}/app/${id}/live`);
  await using pod = await startPlainPod(http.gatewayPorts[0] as number, (_, response) => response.end('not upgraded'));
  const sockets = new WebSocketServer({ noServer: true });
  pod.on('upgrade', (request, upgraded, head) => {
    if (request.url?.endsWith('/live')) {
      sockets.handleUpgrade(request, upgraded, head, (client) => {
        client.on('message', (data, binary) => client.send(data, { binary }));
      });
    } else upgraded.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nX-Why: members\r\n\r\nno');
  });
  await once(socket, 'open');
  const large = Buffer.alloc(1 << 20, 'x');
  socket.send(large);
  const [echoed] = await once(socket, 'message');
  assert.ok(large.equals(echoed as Buffer));
  socket.close();
  await once(socket, 'close');
  assert.match(
    await raw(http.port, upgrade(`/app/${id}/other`)),
    /^HTTP\/1\.1 403 Forbidden\r\n.*x-why: members.*\r\n\r\nno$/s,
  );
  // An upgrade to anything else is an offer that a server may ignore.
  const offered = await raw(http.port, upgrade(`/app/${id}`, 'h2c', 'upgrade, close'));
  assert.match(offered, /^HTTP\/1\.1 200 OK\r\n.*not upgraded/s);
});

test('an upgrade that the edge must refuse', async () => {
  await using http = await startHttp({ gatewayPods: 1, env: { REQUEST_TIMEOUT_MS: '100' } });
  for (const [target, status] of [
    ['/_guildway/link', 404],
    ['http://evil/_guildway/link', 404],
    ['/app/01/live', 400],
    ['/app/../x', 400],
    [`/app/${id}/live`, 503],
  ] as const) {
    assert.match(await raw(http.port, upgrade(target)), new RegExp(`^HTTP/1\\.1 ${status} `), target);
  }
});

test('a pod that shuts down finishes running requests, tells its clients to reconnect elsewhere, and ends long-lived connections', async () => {
  await using http = await startHttp({ gatewayPods: 1, env: { LINK_SECRET: secret } });
  let answer: (() => void) | null = null;
  await using _pod = await startLinkPod(http, 0, async ({ target }) => {
    if (target.endsWith('/slow')) await new Promise<void>((resolve) => (answer = resolve));
    return { status: 200, headers: [], body: Buffer.from('done') };
  });
  await until('the link is up', () => http.service.readiness().reasons.length === 0);

  const socket = connect(http.port, '127.0.0.1');
  let received = '';
  socket.on('data', (chunk) => {
    received += chunk;
  });
  socket.write(`GET /app/${id} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await until('it is answered', () => received.endsWith('done'));
  assert.match(received, /connection: keep-alive/i);
  // Opened in advance, as browsers and load balancers do.
  const unused = connect(http.port, '127.0.0.1');
  await once(unused, 'connect');
  const slow = fetch(`${http.url}/app/${id}/slow`);
  await until('it is at its owner', () => answer !== null);

  const startedAt = performance.now();
  let drained = false;
  const draining = http.service.drain().then(() => {
    drained = true;
  });
  void http.service.drain();
  await assert.rejects(fetch(http.url), 'no new connections');
  // A request in transit on an idle connection gets its response.
  received = '';
  socket.write(`GET /app/${id} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await once(socket, 'close');
  assert.match(received, /connection: close.*done$/is);
  assert.equal(drained, false, 'one is still running');
  (answer as unknown as () => void)();
  const response = await slow;
  assert.equal(await response.text(), 'done');
  await draining;
  assert.ok(performance.now() - startedAt < 5_000, 'it does not wait for anything else');
});

test('while a pod drains, an idle connection may bring one more request for IDLE_DRAIN_MS', async () => {
  // The second pod shows that the time is over which the first does not grant.
  await using patient = await startHttp({ gatewayPods: 1, env: { IDLE_DRAIN_MS: '600000' } });
  await using hasty = await startHttp({ gatewayPods: 1, env: { IDLE_DRAIN_MS: '0' } });
  const [socket, other] = [connect(patient.port, '127.0.0.1'), connect(hasty.port, '127.0.0.1')];
  let received = '';
  socket.on('data', (chunk) => {
    received += chunk;
  });
  other.resume();
  for (const one of [socket, other]) one.write('GET /app/not-a-guild HTTP/1.1\r\nHost: x\r\n\r\n');
  await until('both have been answered', () => received !== '' && other.bytesRead > 0);
  received = '';
  const draining = patient.service.drain();
  await Promise.all([once(other, 'close'), hasty.service.drain()]);
  socket.write('GET /app/not-a-guild HTTP/1.1\r\nHost: x\r\n\r\n');
  await Promise.all([once(socket, 'close'), draining]);
  assert.match(received, /^HTTP\/1\.1 400 .*connection: close/is);
});

test('half the head of a request does not keep a draining pod', async () => {
  // Without a separate limit the drain would last as long as these.
  const env = {
    HEADERS_TIMEOUT_MS: '600000',
    BODY_TIMEOUT_MS: '600000',
    DRAIN_TIMEOUT_MS: '600000',
    IDLE_DRAIN_MS: '0',
  };
  // With a link the fast path reads the connection first.
  const drained = [{}, { LINK_SECRET: secret }].map(async (more) => {
    await using http = await startHttp({ gatewayPods: 1, env: { ...env, ...more } });
    const answered = 'GET /app/not-a-guild HTTP/1.1\r\nHost: x\r\n\r\n';
    const sockets = ['', answered].map((before) => {
      const socket = connect(http.port, '127.0.0.1', () => socket.write(`${before}GET /app/${id} HTTP/1.1\r\nHo`));
      return socket.resume();
    });
    await until('one has been answered', () => sockets[1]?.bytesRead !== 0);
    await Promise.all([...sockets.map((socket) => once(socket, 'close')), http.service.drain()]);
  });
  await Promise.all(drained);
});

test('endless requests are ended within DRAIN_TIMEOUT_MS', async () => {
  await using http = await startHttp({ gatewayPods: 1, env: { DRAIN_TIMEOUT_MS: '400' } });
  const streams: ServerResponse[] = [];
  await using pod = await startPlainPod(http.gatewayPorts[0] as number, (_, response) => {
    streams.push(response);
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
  });
  const sockets = new WebSocketServer({ server: pod });
  const events = await fetch(`${http.url}/app/${id}/events`);
  const socket = new WebSocket(`ws://127.0.0.1:${http.port}/app/${id}/live`);
  await once(socket, 'open');
  const closed = once(socket, 'close');
  await Promise.all([http.service.drain(), closed, assert.rejects(events.text())]);
  await until('the pod is told', () => streams.every((stream) => stream.closed));
  sockets.close();
});

test('a pod in front of plain servers is ready while one of them is up, and names those that are down', async () => {
  await using http = await startHttp({ gatewayPods: 2 });
  const { service, gatewayPorts } = http;
  assert.equal(service.readiness().ready, false);
  assert.match(service.readiness().reasons.join(), /gateway pod 0 at .* is not reachable .*gateway pod 1 at /);
  const pod = await startPlainPod(gatewayPorts[1] as number, (_, response) => response.end('here'));
  await until('it is ready', () => service.readiness().ready);
  assert.deepEqual(service.readiness().reasons.length, 1);
  await pod[Symbol.asyncDispose]();
});

test('metrics count what happened, in Prometheus format', async () => {
  await using http = await startHttp({ gatewayPods: 1, env: { LINK_SECRET: secret } });
  await using _pod = await startLinkPod(http, 0, () => ({ status: 200, headers: [], body: Buffer.from('x') }));
  await until('the link is up', () => http.service.readiness().reasons.length === 0);
  for (let i = 0; i < 3; i++) await (await fetch(`${http.url}/app/${id}`)).text();
  await (await fetch(`${http.url}/app/01`)).text();
  await (await fetch(`${http.url}/webhooks/discord`, { method: 'POST', body: '{}' })).text();
  const text = await http.registry.metrics();
  for (const line of [
    'guildway_http_requests_total{route="guild",pod="0",outcome="ok"} 3',
    'guildway_http_requests_total{route="guild",pod="none",outcome="client-error"} 1',
    'guildway_http_requests_total{route="interaction",pod="none",outcome="client-error"} 1',
    '# TYPE guildway_http_request_seconds histogram',
    'guildway_http_request_seconds_bucket{le="+Inf",route="guild"} 4',
    'guildway_http_request_seconds_count{route="guild"} 4',
    'guildway_link_state{pod="0",state="ready"} 1',
    'guildway_breaker_state{pod="0"} 0',
  ]) {
    assert.ok(text.includes(`${line}\n`), line);
  }
});

test('a request that has arrived is answered, even if the pod is too busy to read it before idle connections are closed', async () => {
  await using http = await startHttp({ gatewayPods: 1, env: { LINK_SECRET: secret, IDLE_DRAIN_MS: '100' } });
  await using _pod = await startLinkPod(http, 0, async () => ({ status: 200, headers: [], body: Buffer.from('done') }));
  await until('the link is up', () => http.service.readiness().reasons.length === 0);
  const socket = connect(http.port, '127.0.0.1');
  let received = '';
  socket.on('data', (chunk) => {
    received += chunk;
  });
  // A reset is what the test is about; it shows in what was received.
  socket.on('error', () => {});
  socket.write(`GET /app/${id} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await until('it is answered', () => received.endsWith('done'));
  received = '';
  const closed = once(socket, 'close');
  const draining = http.service.drain();
  // After an immediate the event loop runs its timers, and then its sockets.
  await new Promise((resolve) => setImmediate(resolve));
  socket.write(`GET /app/${id} HTTP/1.1\r\nHost: x\r\n\r\n`);
  // Longer than the limit of idle connections: their timer is due before anything is read.
  const busyUntil = performance.now() + 300;
  while (performance.now() < busyUntil);
  await Promise.all([closed, draining]);
  assert.match(received, /connection: close.*done$/is);
});
