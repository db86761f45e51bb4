import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { pino } from 'pino';
import { errorCode, GuildwayError } from '../../src/errors.ts';
import { linkChannel } from '../../src/gateway/hints/channel.ts';
import { LinkClient, type LinkClientOptions } from '../../src/link/client.ts';
import { FrameReader } from '../../src/link/frame-reader.ts';
import { FRAME, FRAME_HEADER, type Frame, MAX_RESPONSE_FRAME } from '../../src/link/frames.ts';
import { LINK_HEADER, LINK_PATH, newNonce, proof } from '../../src/link/handshake.ts';
import type { GatewayHandler, GatewayRequest } from '../../src/link/message.ts';
import { attachLinkServer, type LinkServer, type LinkServerOptions } from '../../src/link/server.ts';
import { createTopology } from '../../src/routing/topology.ts';
import { elapsed, inMs, monotonicNow, remaining } from '../../src/time.ts';

const log = pino({ level: 'silent' });
const secret = 'a secret of the test cluster';
const topology = createTopology({ strategy: 'md5', pods: 3 });
const manifest = { name: 'test', routes: [], commands: {}, components: {}, modals: {} };
const empty = Buffer.alloc(0);

interface Pod extends AsyncDisposable {
  readonly url: string;
  readonly http: Server;
  readonly link: LinkServer;
}

async function startPod(
  handler: GatewayHandler,
  overrides: Partial<LinkServerOptions> & { port?: number } = {},
): Promise<Pod> {
  const http = createServer((_, response) => response.writeHead(404).end());
  const link = attachLinkServer(http, {
    ordinal: 1,
    secret,
    topology,
    manifest,
    handler,
    heartbeatMs: 1_000,
    helloTimeoutMs: 1_000,
    maxInFlight: 1_000,
    log,
    ...overrides,
  });
  await new Promise<void>((resolve) => http.listen(overrides.port ?? 0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    http,
    link,
    async [Symbol.asyncDispose]() {
      link.close();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

function startClient(url: string, overrides: Partial<LinkClientOptions> = {}): LinkClient & Disposable {
  const client = new LinkClient({
    url,
    ordinal: 1,
    secret,
    topology,
    name: 'http-test',
    heartbeatMs: 1_000,
    connectTimeoutMs: 2_000,
    maxInFlight: 1_000,
    log,
    ...overrides,
  });
  return Object.assign(client, { [Symbol.dispose]: () => client.close() });
}

const get = (target: string, headers: string[] = []): GatewayRequest => ({
  method: 'GET',
  target,
  headers,
  body: empty,
});

const echo: GatewayHandler = async (request) => ({
  status: 200,
  headers: ['x-method', request.method, 'x-target', request.target, ...request.headers],
  body: request.body,
});

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const end = performance.now() + 30_000; performance.now() < end; ) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail(`timed out waiting until ${what}`);
}

test('an attempt to deliver a hint has all of its time, however long this process has run', async () => {
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
  // The time left travels in whole milliseconds.
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

test('many requests in flight on one connection each get their own answer, whatever the order', async () => {
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

test('a pod that is not the ordinal that was dialled is refused before anything is sent', async () => {
  let served = 0;
  const counting: GatewayHandler = (request, context) => {
    served++;
    return echo(request, context);
  };
  await using pod = await startPod(counting, { ordinal: 2 });
  using client = startClient(pod.url, { ordinal: 1 });
  await assert.rejects(client.request(get('/'), 1_000), (error: GuildwayError) => {
    assert.equal(error.code, 'LINK_REFUSED');
    assert.equal(error.facts.sent, false);
    assert.match(error.message, /it is pod 2/);
    return true;
  });
  assert.equal(served, 0);
});

test('neither side accepts the other without the same LINK_SECRET', async () => {
  let served = 0;
  const counting: GatewayHandler = (request, context) => {
    served++;
    return echo(request, context);
  };
  await using pod = await startPod(counting, { secret: 'another secret, as long' });
  using client = startClient(pod.url);
  await assert.rejects(client.request(get('/'), 1_000), { code: 'LINK_REFUSED' });

  // A client that skips checking the server still cannot be served.
  await using honest = await startPod(counting);
  const impostor = await upgrade(honest.url, { [LINK_HEADER.ordinal]: '1', [LINK_HEADER.nonce]: newNonce() });
  const hello = JSON.stringify({ proof: '0'.repeat(64), name: 'impostor', topology: topology.toRecord() });
  impostor.write(frame(FRAME.hello, 0, Buffer.from(hello)));
  impostor.write(frame(FRAME.request, 1, requestPayload('GET\0/')));
  await closed(impostor);
  assert.equal(served, 0);
});

test('a proof holds for one handshake: another role, ordinal, nonce or secret makes another one', () => {
  const [client, server] = [newNonce(), newNonce()];
  const proofs = [
    proof(secret, 'server', 1, client, server),
    proof(secret, 'client', 1, client, server),
    proof(secret, 'client', 2, client, server),
    proof(secret, 'client', 1, newNonce(), server),
    proof(secret, 'client', 1, client, newNonce()),
    proof('another secret, as long', 'client', 1, client, server),
  ];
  assert.equal(new Set(proofs).size, proofs.length);
});

test('a recorded handshake is worth nothing: the same nonce and proof are refused on the next connection', async () => {
  let served = 0;
  await using pod = await startPod(async (request, context) => {
    served++;
    return echo(request, context);
  });
  const nonce = newNonce();
  const headers = { [LINK_HEADER.ordinal]: '1', [LINK_HEADER.nonce]: nonce };
  const recorded = await upgrade(pod.url, headers);
  const hello = {
    proof: proof(secret, 'client', 1, nonce, recorded.nonce),
    name: 'recorded',
    topology: topology.toRecord(),
  };
  const bytes = Buffer.concat([
    frame(FRAME.hello, 0, Buffer.from(JSON.stringify(hello))),
    frame(FRAME.request, 1, requestPayload('POST\0/')),
  ]);
  recorded.write(bytes);
  await until('the genuine one is served', () => served === 1);
  const replayed = await upgrade(pod.url, headers);
  replayed.write(bytes);
  await closed(replayed);
  assert.equal(served, 1);
  recorded.destroy();
});

test('an HTTP server that does not know the link is recognised', async () => {
  const http = createServer((_, response) => response.end('hello'));
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  using client = startClient(`http://127.0.0.1:${(http.address() as AddressInfo).port}`);
  assert.equal(await client.connect(), 'plain');
  assert.equal(client.state, 'plain');
  http.closeAllConnections();
  http.close();
});

test('a peer whose answer is not HTTP is away, and never mistaken for a plain HTTP server', async () => {
  for (const answer of [
    'SSH-2.0-OpenSSH_9.2\r\n\r\n',
    'HTTP/2 200\r\n\r\n',
    'HTTP/1.1 200 OK\r\nbad header\r\n\r\n',
    'HTTP/1.1 200 OK\nno: carriage return\n\n',
    `HTTP/1.1 200 OK\r\nlong: ${'x'.repeat(20_000)}`,
    '',
  ]) {
    const tcp = createTcpServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(answer));
    });
    await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
    using client = startClient(`http://127.0.0.1:${(tcp.address() as AddressInfo).port}`);
    await assert.rejects(client.connect(), (error) => errorCode(error) === 'LINK_UNAVAILABLE', JSON.stringify(answer));
    tcp.close();
  }
});

test('the answer to an upgrade may come byte by byte, the first frames with its last one', async () => {
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

test('a request that is not answered in time fails with its outcome unknown, and the pod learns that nobody waits', async () => {
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
  // Connected, so that the time of the next request is not over before it could be sent.
  await client.request(get('/answered'), 10_000);
  await assert.rejects(client.request(get('/'), 50), (error: GuildwayError) => {
    assert.equal(error.code, 'DEADLINE_EXCEEDED');
    assert.equal(error.facts.sent, true);
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
  await assert.rejects(answer, { code: 'CANCELLED' });
  await aborted.promise;
});

test('what was in flight when the connection ended has an unknown outcome; the link comes back by itself', async () => {
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
  await assert.rejects(lost, (error: GuildwayError) => error.code === 'LINK_LOST' && error.facts.sent === true);
  answer = true;
  assert.equal((await client.request(get('/again'), 5_000)).status, 200);
});

test('a request to a pod that is not there fails as never sent, and a pod that appears later is found', async () => {
  const placeholder = await startPod(echo);
  const port = Number(new URL(placeholder.url).port);
  await placeholder[Symbol.asyncDispose]();
  using client = startClient(`http://127.0.0.1:${port}`);
  await assert.rejects(client.request(get('/'), 500), (error: GuildwayError) => {
    assert.equal(error.code, 'LINK_UNAVAILABLE');
    assert.equal(error.facts.sent, false);
    return true;
  });
  await using _pod = await startPod(echo, { port });
  await until('the link is ready', () => client.state === 'ready');
  assert.equal((await client.request(get('/'), 1_000)).status, 200);
});

test('draining answers what runs, takes nothing new, and closes', async () => {
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
  await assert.rejects(client.request(get('/late'), 300), (error: GuildwayError) => error.facts.sent === false);
  release();
  assert.equal((await running).headers[3], '/running');
  await drained;
});

test('a client that goes on sending to a draining pod is refused, and its request is not looked at', async () => {
  const targets: string[] = [];
  const finished = Promise.withResolvers<void>();
  await using pod = await startPod(async (request, context) => {
    targets.push(request.target);
    await finished.promise;
    return echo(request, context);
  });
  const raw = await authenticated(pod);
  const frames: Frame[] = [];
  const reader = new FrameReader(1024 * 1024);
  raw.on('data', (chunk) => reader.push(chunk, (received) => frames.push(received)));
  raw.write(frame(FRAME.request, 1, requestPayload('GET\0/running')));
  await until('it runs', () => targets.length === 1);
  const drained = pod.link.drain();
  raw.write(frame(FRAME.request, 2, requestPayload('GET\0/late')));
  await until('the answer to the late one', () => frames.some(({ id }) => id === 2));
  assert.deepEqual(
    frames.map(({ type, id }) => [type, id]),
    [
      [FRAME.goaway, 0],
      [FRAME.ping, 1],
      [FRAME.refused, 2],
    ],
  );
  raw.write(frame(FRAME.pong, 1, empty));
  await assert.rejects(
    upgrade(pod.url, { [LINK_HEADER.ordinal]: '1', [LINK_HEADER.nonce]: newNonce() }),
    /^Error: HTTP\/1.1 503/,
  );
  finished.resolve();
  await drained;
  assert.deepEqual(targets, ['/running']);
});

test('a handler has the time that its caller has left, not more', async () => {
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
  const outcomes = await new Promise<GuildwayError[]>((resolve) => {
    const failed: GuildwayError[] = [];
    for (let i = 0; i < 4; i++) {
      client.send(get(`/${i}`), inMs(5_000), (error) => {
        if (error !== null && failed.push(error) === 2) resolve(failed);
      });
    }
  });
  assert.deepEqual(
    outcomes.map((error) => [error.code, error.facts.sent]),
    [
      ['LINK_SATURATED', false],
      ['LINK_UNAVAILABLE', false],
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

test('a smuggled NUL cannot add a header: the connection ends', async () => {
  let served = 0;
  await using pod = await startPod(async (request, context) => {
    served++;
    return echo(request, context);
  });
  using client = startClient(pod.url);
  await assert.rejects(client.request(get('/', ['x-a', 'b\0guildway-deferred\x005']), 1_000), { code: 'LINK_LOST' });
  assert.equal(served, 0);
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

test('a slow reader stops the pod from reading on instead of filling its memory', async () => {
  let served = 0;
  await using pod = await startPod(async () => {
    served++;
    return { status: 200, headers: [], body: Buffer.alloc(1024 * 1024) };
  });
  const raw = await authenticated(pod);
  raw.pause();
  const request = frame(FRAME.request, 0, requestPayload('GET\0/'));
  for (let id = 1; id <= 400; id++) {
    const copy = Buffer.from(request);
    copy.writeUInt32BE(id, 5);
    // Each in a write of its own, padded by a body so that they cannot all be read at once.
    raw.write(Buffer.concat([frame(FRAME.request, id, requestPayload('GET\0/', Buffer.alloc(60 * 1024)))]));
  }
  let before = -1;
  while (before !== served) {
    before = served;
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  assert.ok(
    served > 0 && served < 300,
    `${served} of 400 responses of 1 MiB were made for a client that reads nothing`,
  );
  raw.destroy();
});

test('a peer that has gone silent is given up', async () => {
  // Answers the handshake and then nothing, like a stopped process.
  await using pod = await startPod(() => new Promise(() => {}), { heartbeatMs: 60_000 });
  const inner = new URL(pod.url);
  const sockets: Socket[] = [];
  let frozen = false;
  const proxy = createTcpServer((socket) => {
    const upstream = connect(Number(inner.port), '127.0.0.1');
    sockets.push(socket, upstream);
    socket.on('error', () => {});
    upstream.on('error', () => {});
    socket.on('data', (chunk) => frozen || upstream.write(chunk));
    upstream.on('data', (chunk) => frozen || socket.write(chunk));
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  using client = startClient(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, { heartbeatMs: 50 });
  await client.connect();
  const lost = client.request(get('/'), 60_000);
  frozen = true;
  await assert.rejects(lost, { code: 'LINK_LOST' });
  for (const socket of sockets) socket.destroy();
  proxy.close();
});

test('a peer that answers no ping is given up after three heartbeats; one that answers is not', async () => {
  const heartbeatMs = 100;
  await using pod = await startPod(echo, { heartbeatMs });
  const [silent, alive] = [await authenticated(pod), await authenticated(pod)];
  let pings = 0;
  let answered = 0;
  const listen = (socket: Socket, onPing: () => void): void => {
    const reader = new FrameReader(1024 * 1024);
    socket.on('data', (chunk) => reader.push(chunk, ({ type }) => type === FRAME.ping && onPing()));
  };
  listen(silent, () => pings++);
  listen(alive, () => {
    answered++;
    alive.write(frame(FRAME.pong, 0, empty));
  });
  await new Promise((resolve) => silent.once('close', resolve));
  // One per round while it is silent; a round that comes late, on a busy machine, adds one.
  assert.ok(pings >= 1 && pings <= 8, `${pings} pings`);
  assert.ok(answered >= 1);
  await until('the pod has given up the silent one only', () => pod.link.connections === 1);
  alive.destroy();
});

test('a process that was stopped for a while gives its peers the time to say that they live', async () => {
  await using pod = await startPod(echo, { heartbeatMs: 50 });
  using client = startClient(pod.url, { heartbeatMs: 50 });
  await client.connect();
  let connections = 0;
  pod.http.on('connection', () => connections++);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
  for (let i = 0; i < 10; i++) {
    assert.equal((await client.request(get('/'), 1_000)).status, 200);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.equal(connections, 0, 'it was not dialled again');
});

test('closing ends what waits, and a closed link stays closed', async () => {
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

// Raw sockets: what a broken or hostile client could send.

function frame(type: number, id: number, payload: Buffer): Buffer {
  const bytes = Buffer.alloc(FRAME_HEADER + payload.length);
  bytes.writeUInt32BE(bytes.length - 4, 0);
  bytes[4] = type;
  bytes.writeUInt32BE(id, 5);
  payload.copy(bytes, FRAME_HEADER);
  return bytes;
}

function requestPayload(head: string, body = empty): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt32BE(1_000, 0);
  fixed.writeUInt32BE(head.length, 4);
  fixed.writeUInt16BE(head.split('\0').length, 8);
  return Buffer.concat([fixed, Buffer.from(head, 'latin1'), body]);
}

function upgrade(url: string, headers: Record<string, string>): Promise<Socket & { nonce: string }> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => {});
  const lines = Object.entries({ [LINK_HEADER.version]: '1', ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  socket.write(
    `GET ${LINK_PATH} HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: guildway-link\r\n${lines.join('')}\r\n`,
  );
  return new Promise((resolve, reject) => {
    socket.once('data', (chunk) => {
      const answer = chunk.toString('latin1');
      const nonce = new RegExp(`${LINK_HEADER.nonce}: ([0-9a-f]+)`).exec(answer)?.[1];
      if (answer.startsWith('HTTP/1.1 101') && nonce !== undefined) resolve(Object.assign(socket, { nonce }));
      else reject(new Error(answer));
    });
  });
}

async function authenticated(pod: Pod): Promise<Socket> {
  const nonce = newNonce();
  const socket = await upgrade(pod.url, { [LINK_HEADER.ordinal]: '1', [LINK_HEADER.nonce]: nonce });
  const hello = { proof: proof(secret, 'client', 1, nonce, socket.nonce), name: 'raw', topology: topology.toRecord() };
  const answered = new Promise((resolve) => socket.once('data', resolve));
  socket.write(frame(FRAME.hello, 0, Buffer.from(JSON.stringify(hello))));
  await answered;
  return socket;
}

function closed(socket: Socket): Promise<void> {
  socket.resume();
  return new Promise((resolve) => (socket.destroyed ? resolve() : socket.once('close', () => resolve())));
}

test('a request that crosses the GOAWAY of a draining pod is refused, so its caller knows that nobody looked at it', async () => {
  let served = 0;
  await using pod = await startPod(async (request, context) => {
    served++;
    return echo(request, context);
  });
  const raw = await authenticated(pod);
  const frames: { type: number; id: number }[] = [];
  const reader = new FrameReader(MAX_RESPONSE_FRAME);
  raw.on('data', (chunk) => reader.push(chunk, ({ type, id }) => frames.push({ type, id })));
  const drained = pod.link.drain();
  await until('the GOAWAY is here', () => frames.some(({ type }) => type === FRAME.goaway));
  // This client has sent a request before it reads the GOAWAY.
  raw.write(frame(FRAME.request, 7, requestPayload('POST\0/')));
  await until('the request has an answer', () => frames.some(({ id }) => id === 7));
  raw.write(frame(FRAME.pong, frames.find(({ type }) => type === FRAME.ping)?.id ?? 0, empty));
  await drained;
  assert.deepEqual(frames.at(-1), { type: FRAME.refused, id: 7 });
  assert.equal(served, 0);
});

for (const [name, bytes] of [
  ['a length beyond the limit', Buffer.from([0xff, 0xff, 0xff, 0xff, 4, 0, 0, 0, 1])],
  // 320 KiB and one byte: refused by its length, before any of it is kept.
  ['a request a byte too long', Buffer.from([0, 5, 0, 1, 4, 0, 0, 0, 1])],
  ['a length too short for a frame', Buffer.from([0, 0, 0, 1, 4, 0, 0, 0, 1])],
  ['a head longer than the frame', frame(FRAME.request, 1, Buffer.from([0, 0, 0, 9, 0, 0, 0xff, 0xff, 0, 2, 65]))],
  ['an unknown type', frame(99, 1, empty)],
  ['a request without target', frame(FRAME.request, 1, requestPayload('GET'))],
  ['a second HELLO', frame(FRAME.hello, 0, Buffer.from('{}'))],
] as const) {
  test(`a client that sends ${name} is disconnected, and others are served`, async () => {
    await using pod = await startPod(echo);
    const raw = await authenticated(pod);
    raw.write(bytes);
    await closed(raw);
    using client = startClient(pod.url);
    assert.equal((await client.request(get('/'), 1_000)).status, 200);
  });
}
