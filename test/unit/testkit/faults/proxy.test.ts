import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FaultProxy } from '../../../../testkit/faults/proxy.ts';

const closers: (() => Promise<unknown> | unknown)[] = [];
let proxy: FaultProxy;

/** An echo server. */
async function startEcho(): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

function open(): Socket {
  const socket = connect(proxy.port, '127.0.0.1');
  socket.on('error', () => {});
  closers.push(() => socket.destroy());
  return socket;
}

/** Resolves when a connection has ended, by a reset too. */
const ended = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once('close', () => resolve()));

/** The outcome of using a connection: the received text, or the error's code. */
async function owners(socket: Socket, text: string, timeoutMs = 2_000): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const timer = setTimeout(() => resolve('nothing'), timeoutMs);
  socket.once('data', (data) => resolve(data.toString()));
  socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
  socket.once('close', () => resolve('closed'));
  socket.write(text);
  const result = await promise;
  clearTimeout(timer);
  return result;
}

describe('fault proxy', () => {
  beforeEach(async () => {
    proxy = await FaultProxy.start({ targetPort: await startEcho(), port: 0 });
    closers.push(() => proxy.close());
  });
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  test('passes bytes, and the end of a connection', async () => {
    const socket = open();
    assert.equal(await owners(socket, 'hello'), 'hello');
    socket.end();
    await once(socket, 'close');
    assert.equal(proxy.connections, 0);
  });

  test('refuse: new connections are refused, open ones are reset', async () => {
    const before = open();
    assert.equal(await owners(before, 'hello'), 'hello');
    const end = ended(before);
    await proxy.setMode('refuse');
    await end;
    assert.equal(await owners(open(), 'hello'), 'ECONNREFUSED');
    await proxy.setMode('pass');
    assert.equal(await owners(open(), 'again'), 'again');
  });

  test('reset: new connections are reset', async () => {
    await proxy.setMode('reset');
    assert.match(await owners(open(), 'hello'), /ECONNRESET|EPIPE|closed/);
    await proxy.setMode('pass');
    assert.equal(await owners(open(), 'again'), 'again');
  });

  test('a black hole swallows both directions, and delivers late', async () => {
    const before = open();
    assert.equal(await owners(before, 'one'), 'one');
    await proxy.setMode('blackhole');
    const late = open();
    assert.equal(await owners(before, 'two', 200), 'nothing');
    assert.equal(await owners(late, 'three', 200), 'nothing');
    const arrived = Promise.all([once(before, 'data'), once(late, 'data')]);
    await proxy.setMode('pass');
    assert.deepEqual((await arrived).map(String), ['two', 'three']);
    assert.equal(await owners(before, 'four'), 'four');
  });

  test('a black hole can become a reset', async () => {
    const socket = open();
    assert.equal(await owners(socket, 'one'), 'one');
    await proxy.setMode('blackhole');
    const end = ended(socket);
    await proxy.setMode('reset');
    await end;
    await sleep(0);
    assert.equal(proxy.connections, 0);
  });
});
