// Of src/link/{client-session,connection,dial,frame-writer,redial,server-session}.ts.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { type DispatchError, errorCode, GuildwayError } from '../../../src/errors.ts';
import { linkChannel } from '../../../src/gateway/hints/channel.ts';
import type { GatewayHandler } from '../../../src/link/message.ts';
import { elapsed, inMs, monotonicNow, remaining } from '../../../src/time.ts';
import { echo, empty, get, startClient, startPod, startStranger, topology } from '../../support/link.ts';
import { until } from '../../support/wait.ts';

test('the delivery of a hint gets its full time, no matter how long the process has run', async () => {
  let lost = Number.POSITIVE_INFINITY;
  const sentAt = monotonicNow();
  await using pod = await startPod(async (_, { deadlineAt }) => {
    lost = 60_000 - remaining(deadlineAt) - elapsed(sentAt);
    return { status: 200, headers: [], body: empty };
  });
  using client = startClient(pod.url);
  const channel = linkChannel(client);
  await channel.connect();
  await channel.send(get('/'), 60_000);
  // The remaining time is sent in whole milliseconds.
  assert.ok(lost <= 1, `${lost} ms of its time are lost`);
});

test('carries method, target, headers and body both ways, byte for byte', async () => {
  await using pod = await startPod(echo);
  using client = startClient(pod.url);
  const body = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  const response = await client.request(
    {
      method: 'POST',
      target: '/app/1?x=%2e',
      headers: ['x-latin', 'caf\u00e9', 'x-twice', '1', 'x-twice', '2', 'x-empty', ''],
      body,
    },
    1_000,
  );
  assert.equal(response.status, 200);
  assert.deepEqual(response.headers, [
    ...['x-method', 'POST', 'x-target', '/app/1?x=%2e', 'x-latin', 'caf\u00e9'],
    ...['x-twice', '1', 'x-twice', '2', 'x-empty', ''],
  ]);
  assert.deepEqual(response.body, body);
  assert.equal(client.peer?.ordinal, 1);
  assert.deepEqual(client.peer?.topology, topology.toRecord());
  assert.equal(client.peer?.manifest.name, 'test');
});

test('many requests in flight on one connection each get their own response, in any order', async () => {
  const held: (() => void)[] = [];
  await using pod = await startPod(async (request, context) => {
    await new Promise<void>((resolve) => held.push(resolve));
    return echo(request, context);
  });
  using client = startClient(pod.url);
  const answers = Array.from({ length: 300 }, (_, i) =>
    client.request({ ...get(`/${i}`), body: Buffer.alloc(i * 300, i % 256) }, 5_000),
  );
  await until('all have arrived', () => held.length === 300);
  assert.equal(pod.link.connections, 1);
  for (const release of held.reverse()) release();
  for (const [i, response] of (await Promise.all(answers)).entries()) {
    assert.equal(response.headers[3], `/${i}`);
    assert.deepEqual(response.body, Buffer.alloc(i * 300, i % 256));
  }
});

test('an HTTP server without the link is detected', async () => {
  const http = createServer((_, response) => response.end('hello'));
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  using client = startClient(`http://127.0.0.1:${(http.address() as AddressInfo).port}`);
  assert.equal(await client.connect(), 'plain');
  assert.equal(client.state, 'plain');
  http.closeAllConnections();
  http.close();
});

test('the response to an upgrade may arrive byte by byte, with the first frames in its last read', async () => {
  await using pod = await startPod(async () => ({ status: 200, headers: [], body: Buffer.from('arrived') }));
  const slow = createTcpServer((socket) => {
    const upstream = connect(Number(new URL(pod.url).port), '127.0.0.1');
    socket.pipe(upstream);
    upstream.on('data', async (chunk: Buffer) => {
      upstream.pause();
      for (const byte of chunk) {
        socket.write(Buffer.of(byte));
        await new Promise((resolve) => setImmediate(resolve));
      }
      upstream.resume();
    });
    for (const end of [socket, upstream])
      end.on('error', () => {}).on('close', () => [socket, upstream].map((s) => s.destroy()));
  });
  await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
  using client = startClient(`http://127.0.0.1:${(slow.address() as AddressInfo).port}`);
  assert.equal((await client.request(get('/'), 5_000)).body.toString(), 'arrived');
  client.close();
  slow.close();
});

test('a request that times out has an unknown outcome, and the pod learns that its client has given up', async () => {
  const aborted = Promise.withResolvers<void>();
  const response = { status: 200, headers: [], body: empty };
  await using pod = await startPod(async ({ target }, context) => {
    if (target === '/answered') return response;
    return new Promise((resolve) => {
      context.signal.addEventListener('abort', () => {
        aborted.resolve();
        resolve(response);
      });
    });
  });
  using client = startClient(pod.url);
  // Connected first, so that the next request does not expire before it is sent.
  await client.request(get('/answered'), 10_000);
  await assert.rejects(client.request(get('/'), 50), (error: DispatchError) => {
    assert.equal(error.code, 'DEADLINE_EXCEEDED');
    assert.equal(error.outcome, 'unknown');
    return true;
  });
  await aborted.promise;
  assert.equal(client.inFlight, 0);
});

test('a cancelled request ends at once and aborts the handler', async () => {
  const started = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<void>();
  await using pod = await startPod(
    (_, context) =>
      new Promise(() => {
        context.signal.addEventListener('abort', () => aborted.resolve());
        started.resolve();
      }),
  );
  using client = startClient(pod.url);
  const controller = new AbortController();
  const answer = client.request(get('/'), 5_000, controller.signal);
  await started.promise;
  controller.abort();
  await assert.rejects(answer, (error: DispatchError) => error.code === 'CANCELLED' && error.outcome === 'unknown');
  await aborted.promise;
});

test('requests in flight when the connection ends have an unknown outcome; the link reconnects by itself', async () => {
  let sockets: Socket[] = [];
  const started = Promise.withResolvers<void>();
  let answer = false;
  await using pod = await startPod(async (request, context) => {
    if (answer) return echo(request, context);
    started.resolve();
    return new Promise(() => {});
  });
  pod.http.on('connection', (socket) => sockets.push(socket));
  using client = startClient(pod.url);
  const lost = client.request(get('/'), 5_000);
  await started.promise;
  for (const socket of sockets) socket.destroy();
  sockets = [];
  await assert.rejects(lost, (error: DispatchError) => error.code === 'LINK_LOST' && error.outcome === 'unknown');
  answer = true;
  assert.equal((await client.request(get('/again'), 5_000)).status, 200);
});

test('a request to an absent pod fails as never sent, and a pod that appears later is found', async () => {
  const placeholder = await startPod(echo);
  const port = Number(new URL(placeholder.url).port);
  await placeholder[Symbol.asyncDispose]();
  using client = startClient(`http://127.0.0.1:${port}`);
  await assert.rejects(client.request(get('/'), 500), (error: DispatchError) => {
    assert.equal(error.code, 'LINK_UNAVAILABLE');
    assert.equal(error.outcome, 'not-sent');
    return true;
  });
  await using _pod = await startPod(echo, { port });
  await until('the link is ready', () => client.state === 'ready');
  assert.equal((await client.request(get('/'), 1_000)).status, 200);
});

test('a draining pod answers running requests, accepts no new ones, and closes', async () => {
  let release = (): void => {};
  const started = Promise.withResolvers<void>();
  await using pod = await startPod(async (request, context) => {
    started.resolve();
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    return echo(request, context);
  });
  using client = startClient(pod.url);
  const running = client.request(get('/running'), 5_000);
  await started.promise;
  const drained = pod.link.drain();
  await until('the client has stopped using it', () => client.state !== 'ready');
  await assert.rejects(client.request(get('/late'), 300), (error: DispatchError) => error.outcome === 'not-sent');
  release();
  assert.equal((await running).headers[3], '/running');
  await drained;
});

test('a handler gets only the remaining time of its client', async () => {
  const left: number[] = [];
  await using pod = await startPod(async (request, context) => {
    left.push(context.deadlineAt - performance.now());
    return echo(request, context);
  });
  using client = startClient(pod.url);
  await client.connect();
  await client.request(get('/'), 20_000);
  await client.request(get('/'), 40_000);
  const [first = 0, second = 0] = left;
  assert.ok(first > 0 && first <= 20_000, `${first} ms of 20,000`);
  assert.ok(second > 20_000 && second <= 40_000, `${second} ms of 40,000`);
});

test('more requests than a connection may carry are refused as never sent, by either side', async () => {
  const never: GatewayHandler = () => new Promise(() => {});
  await using pod = await startPod(never, { maxInFlight: 2 });
  using client = startClient(pod.url, { maxInFlight: 3 });
  await client.connect();
  const outcomes = await new Promise<DispatchError[]>((resolve) => {
    const failed: DispatchError[] = [];
    for (let i = 0; i < 4; i++) {
      client.send(get(`/${i}`), inMs(5_000), {
        onResponse: () => assert.fail('no response was sent'),
        onError: (error) => {
          if (failed.push(error) === 2) resolve(failed);
        },
      });
    }
  });
  assert.deepEqual(
    outcomes.map((error) => [error.code, error.outcome]),
    [
      ['LINK_SATURATED', 'not-sent'],
      ['LINK_UNAVAILABLE', 'not-sent'],
    ],
  );
});

test('a response that no header can carry becomes a 500, and the connection lives', async () => {
  await using pod = await startPod(async (request) => ({
    status: 200,
    headers: request.target === '/bad' ? ['x-evil', 'a\u010d\u010ab'] : ['x-nul', 'fine'],
    body: empty,
  }));
  using client = startClient(pod.url);
  assert.equal((await client.request(get('/bad'), 1_000)).status, 500);
  assert.equal((await client.request(get('/good'), 1_000)).status, 200);
});

test('a response too large for one frame is a 500; a large one arrives whole', async () => {
  await using pod = await startPod(async (request) => ({
    status: 200,
    headers: [],
    body: Buffer.alloc(request.target === '/huge' ? 9 * 1024 * 1024 : 3 * 1024 * 1024, 7),
  }));
  using client = startClient(pod.url);
  assert.equal((await client.request(get('/huge'), 5_000)).status, 500);
  const response = await client.request(get('/large'), 5_000);
  assert.ok(response.body.equals(Buffer.alloc(3 * 1024 * 1024, 7)));
});

test('closing ends waiting requests, and a closed link stays closed', async () => {
  await using pod = await startPod(() => new Promise(() => {}));
  const client = startClient(pod.url);
  await client.connect();
  const lost = client.request(get('/'), 5_000);
  await until('it is in flight', () => client.inFlight === 1);
  client.close();
  await assert.rejects(lost, { code: 'LINK_LOST' });
  await assert.rejects(client.connect(), { code: 'LINK_UNAVAILABLE' });
  assert.equal(errorCode(new GuildwayError('LINK_LOST', '')), 'LINK_LOST');
});

test('closing also ends a connection that has not said HELLO yet', { timeout: 10_000 }, async () => {
  const greeted = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  await using stranger = await startStranger(
    (socket) => {
      socket.once('data', () => greeted.resolve()).once('end', () => ended.resolve());
    },
    { hello: false },
  );
  const client = startClient(stranger.url, { connectTimeoutMs: 60_000 });
  const refused = assert.rejects(client.connect(), { code: 'LINK_UNAVAILABLE' });
  await greeted.promise;
  client.close();
  await ended.promise;
  await refused;
  assert.equal(client.state, 'closed');
});

test('a request too large for a frame is refused as never sent, and the connection lives', async () => {
  await using pod = await startPod(echo);
  using client = startClient(pod.url);
  await assert.rejects(
    client.request({ ...get('/'), body: Buffer.alloc(400 * 1024) }, 5_000),
    (error: DispatchError) => error.code === 'BODY_TOO_LARGE' && error.outcome === 'not-sent',
  );
  assert.equal((await client.request({ ...get('/'), body: Buffer.alloc(256 * 1024) }, 5_000)).body.length, 256 * 1024);
  assert.equal(pod.link.connections, 1);
});

test('an absent pod is dialled again within half a second, no matter how long it has been away', {
  timeout: 20_000,
}, async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  t.mock.method(Math, 'random', () => 0.999);
  const states: string[] = [];
  // Nothing listens on port 1.
  using client = startClient('http://127.0.0.1:1', { onState: (state) => states.push(state) });
  await assert.rejects(client.connect(), { code: 'LINK_UNAVAILABLE' });
  for (let dials = 1; dials <= 15; dials++) {
    assert.equal(states.length, 2 * dials);
    t.mock.timers.tick(500);
    assert.equal(states.at(-1), 'connecting', `the dial after ${dials} that failed`);
    while (client.state === 'connecting') await new Promise((resolve) => setImmediate(resolve));
  }
});

test('a plain HTTP server is dialled again once a minute: it may be one of our pods by then', {
  timeout: 20_000,
}, async (t) => {
  let dials = 0;
  const http = createServer((request, response) => {
    if (request.url === '/_guildway/link') dials++;
    response.end('hello');
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  t.mock.timers.enable({ apis: ['setTimeout'] });
  using client = startClient(`http://127.0.0.1:${(http.address() as AddressInfo).port}`);
  assert.equal(await client.connect(), 'plain');
  t.mock.timers.tick(60_000);
  while (dials < 2) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(client.state, 'plain', 'its callers are not kept waiting meanwhile');
  http.closeAllConnections();
  http.close();
});

test('a link that is closed while it is being dialled stays closed', async () => {
  await using pod = await startPod(echo);
  using client = startClient(pod.url);
  const connecting = client.connect();
  client.close();
  await assert.rejects(connecting, { code: 'LINK_UNAVAILABLE' });
  await until('the pod has no connection', () => pod.link.connections === 0);
  assert.equal(client.state, 'closed');
  await assert.rejects(client.request(get('/'), 100), { code: 'LINK_UNAVAILABLE' });
});
