// The proofs that the link requires of peers, and the limits for broken or hostile ones.
import assert from 'node:assert/strict';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type DispatchError, errorCode } from '../../../src/errors.ts';
import { FrameReader } from '../../../src/link/frame-reader.ts';
import { FRAME, type Frame, MAX_RESPONSE_FRAME } from '../../../src/link/frames.ts';
import { LINK_HEADER, newNonce, proof } from '../../../src/link/handshake.ts';
import type { GatewayHandler } from '../../../src/link/message.ts';
import { inMs } from '../../../src/time.ts';
import {
  authenticated,
  closed,
  echo,
  empty,
  frame,
  get,
  requestPayload,
  secret,
  startClient,
  startPod,
  startStranger,
  topology,
  upgrade,
} from '../../support/link.ts';
import { until } from '../../support/wait.ts';

/** Far more than any limit in these tests, but still bounded. */
const IN_TIME = { timeout: 20_000 };

test('a pod with another ordinal than the dialled one is refused before anything is sent', async () => {
  let served = 0;
  const counting: GatewayHandler = (request, context) => {
    served++;
    return echo(request, context);
  };
  await using pod = await startPod(counting, { ordinal: 2 });
  using client = startClient(pod.url, { ordinal: 1 });
  await assert.rejects(client.request(get('/'), 1_000), (error: DispatchError) => {
    assert.equal(error.code, 'LINK_REFUSED');
    assert.equal(error.outcome, 'not-sent');
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

test('a proof is valid for one handshake: it depends on role, ordinal, nonce and secret', () => {
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

test('a recorded handshake is useless: the same nonce and proof are refused on the next connection', async () => {
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

test('a peer whose response is not HTTP counts as away, never as a plain HTTP server', async () => {
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

test('a draining pod refuses a client that keeps sending, and does not process its request', async () => {
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

test('a request that crosses the GOAWAY of a draining pod is refused, so its caller knows that it was not processed', async () => {
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

test('a slow reader makes the pod stop reading instead of filling its memory', async () => {
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
    // Each in a separate write, padded by a body so that one read cannot cover them all.
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

test('a silent peer is disconnected', async () => {
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

test('a peer that answers no ping is disconnected after three heartbeats; one that answers is not', async () => {
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
  // One per round while the peer is silent; a late round on a busy machine adds one.
  assert.ok(pings >= 1 && pings <= 8, `${pings} pings`);
  assert.ok(answered >= 1);
  await until('the pod has given up the silent one only', () => pod.link.connections === 1);
  alive.destroy();
});

test('a process that was paused gives its peers time to show that they are alive', async () => {
  await using pod = await startPod(echo, { heartbeatMs: 50 });
  using client = startClient(pod.url, { heartbeatMs: 50 });
  await client.connect();
  let connections = 0;
  pod.http.on('connection', () => connections++);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
  for (let i = 0; i < 10; i++) {
    assert.equal((await client.request(get('/'), 30_000)).status, 200);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.equal(connections, 0, 'it was not dialled again');
});

for (const [name, bytes] of [
  ['a length beyond the limit', Buffer.from([0xff, 0xff, 0xff, 0xff, 4, 0, 0, 0, 1])],
  // 320 KiB and one byte: rejected by its length, before anything is buffered.
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
    assert.equal((await client.request(get('/'), 30_000)).status, 200);
  });
}

test(
  'a HELLO beyond 256 KiB ends the connection by its length, before anybody has proved anything',
  IN_TIME,
  async () => {
    await using pod = await startPod(echo, { helloTimeoutMs: 60_000 });
    const raw = await upgrade(pod.url, { [LINK_HEADER.ordinal]: '1', [LINK_HEADER.nonce]: newNonce() });
    raw.write(Buffer.from([0, 4, 0, 1, FRAME.hello, 0, 0, 0, 0]));
    await closed(raw);
  },
);

test('a response longer than 8 MiB plus its head ends the connection', async () => {
  await using stranger = await startStranger((socket) => {
    socket.once('data', () => socket.write(Buffer.from([0, 0x81, 0, 1, FRAME.response, 0, 0, 0, 1])));
  });
  using client = startClient(stranger.url, { heartbeatMs: 60_000 });
  await client.connect();
  await assert.rejects(client.request(get('/'), 20_000), { code: 'LINK_LOST' });
});

test('a different version, an invalid nonce or a different path is refused before the server sends its proof', async () => {
  await using pod = await startPod(echo);
  const given = { [LINK_HEADER.ordinal]: '1', [LINK_HEADER.nonce]: newNonce() };
  for (const [headers, status] of [
    [{ ...given, [LINK_HEADER.version]: '2' }, 426],
    [{ ...given, [LINK_HEADER.nonce]: 'short' }, 400],
    [{ ...given, [LINK_HEADER.nonce]: `${newNonce()}0` }, 400],
    [{ [LINK_HEADER.ordinal]: '1' }, 400],
    [{ ...given, [LINK_HEADER.ordinal]: '01' }, 421],
  ] as const) {
    await assert.rejects(upgrade(pod.url, headers as Record<string, string>), (error: Error) => {
      assert.match(error.message, new RegExp(`^HTTP/1.1 ${status} `));
      assert.doesNotMatch(error.message, new RegExp(LINK_HEADER.proof));
      return true;
    });
  }
});

test('a peer that does not prove itself in time is disconnected, whether server or client', IN_TIME, async () => {
  await using pod = await startPod(echo, { helloTimeoutMs: 50 });
  await closed(await upgrade(pod.url, { [LINK_HEADER.ordinal]: '1', [LINK_HEADER.nonce]: newNonce() }));

  await using mute = await startStranger(() => {}, { hello: false });
  using client = startClient(mute.url, { connectTimeoutMs: 100 });
  await assert.rejects(client.connect(), /no HELLO within 100 ms/);

  const silent = createTcpServer((socket) => socket.on('error', () => {}));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  using other = startClient(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`, { connectTimeoutMs: 50 });
  await assert.rejects(other.connect(), /no answer within 50 ms/);
  other.close();
  silent.close();
});

test('a link outlives the time limits of its handshake, on both sides', async () => {
  await using pod = await startPod(echo, { helloTimeoutMs: 200 });
  const states: string[] = [];
  using client = startClient(pod.url, { connectTimeoutMs: 200, onState: (state) => void states.push(state) });
  await client.connect();
  // Timers fire in the order of their times, so both limits have passed then.
  await delay(400);
  assert.equal((await client.request(get('/'), 5_000)).status, 200);
  assert.deepEqual(states, ['connecting', 'ready'], 'it never reconnected');
});

test('a repeated proof in a response is invalid', async () => {
  await using stranger = await startStranger(() => {}, { answer: `${LINK_HEADER.proof}: ${'0'.repeat(64)}\r\n` });
  using client = startClient(stranger.url);
  await assert.rejects(client.connect(), { code: 'LINK_REFUSED' });
});

test('a peer that reads nothing is saturated: requests beyond the limit are never sent', async () => {
  await using stranger = await startStranger((socket) => socket.pause());
  using client = startClient(stranger.url);
  await client.connect();
  const request = { ...get('/'), body: Buffer.alloc(256 * 1024) };
  let refused: DispatchError | null = null;
  let sent = 0;
  // Alternating, so that the sockets' buffers do not count.
  for (; refused === null && sent < 400; sent++) {
    client.send(request, inMs(60_000), {
      onResponse: () => assert.fail('the peer reads nothing'),
      onError: (error) => {
        refused ??= error;
      },
    });
    if (sent % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const { code, outcome } = (refused ?? {}) as DispatchError;
  assert.deepEqual([code, outcome], ['LINK_SATURATED', 'not-sent'], `${sent} requests of 256 KiB`);
});

test('both sides answer a ping', async () => {
  const answered = Promise.withResolvers<void>();
  const onPong = (socket: NodeJS.ReadableStream, resolve: () => void): void => {
    const reader = new FrameReader(1024 * 1024);
    socket.on('data', (chunk: Buffer) => reader.push(chunk, ({ type }) => type === FRAME.pong && resolve()));
  };
  await using stranger = await startStranger((socket) => {
    onPong(socket, answered.resolve);
    socket.write(frame(FRAME.ping, 0, empty));
  });
  using client = startClient(stranger.url);
  await client.connect();
  await answered.promise;

  await using pod = await startPod(echo);
  const raw = await authenticated(pod);
  const pong = new Promise<void>((resolve) => onPong(raw, resolve));
  raw.write(frame(FRAME.ping, 0, empty));
  await pong;
  raw.destroy();
});

test("a handler learns that its client's connection has ended", async () => {
  const started = Promise.withResolvers<AbortSignal>();
  await using pod = await startPod((_, { signal }) => {
    started.resolve(signal);
    return new Promise(() => {});
  });
  const raw = await authenticated(pod);
  raw.write(frame(FRAME.request, 1, requestPayload('GET\0/')));
  const signal = await started.promise;
  raw.destroy();
  await until('it is told', () => signal.aborted);
});
