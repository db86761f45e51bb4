// A client that stops reading a response that streams is disconnected, and with it the pod stops sending.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { Pool } from 'undici';
import { UnreadResponses } from '../../../../src/http/inbound/unread-responses.ts';
import { Breaker } from '../../../../src/http/outbound/breaker.ts';
import { forwardStream } from '../../../../src/http/outbound/stream.ts';
import type { Upstream } from '../../../../src/http/outbound/upstream.ts';

test('a client that stops reading a stream is disconnected in bounded time, and its pod is told', {
  timeout: 30_000,
}, async () => {
  const podClosed = Promise.withResolvers<void>();
  const endless = createTcpServer((socket: Socket) => {
    socket.on('error', () => {}).on('close', () => podClosed.resolve());
    const more = (): void => {
      while (!socket.destroyed && socket.write(Buffer.alloc(64 * 1024, 'x')));
    };
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.on('drain', more);
      more();
    });
  });
  await new Promise<void>((resolve) => endless.listen(0, '127.0.0.1', resolve));
  const plain = new Pool(`http://127.0.0.1:${(endless.address() as AddressInfo).port}`);
  const breaker = new Breaker({ failures: 1, openMs: 1_000 });
  const upstream = { ordinal: 0, plain, breaker, plainHeaders: () => [] } as unknown as Upstream;
  const unread = new UnreadResponses({ stalledMs: 100 });
  const edge = createServer((request, response) => {
    void forwardStream({
      ...{ upstream, request, response, unread, target: '/', headers: ['host', 'x'], body: null, streams: false },
      ...{ maxBodyBytes: 1_000, timeoutMs: 5_000, httpPod: 'http-test', requestId: 'r' },
    });
  });
  await new Promise<void>((resolve) => edge.listen(0, '127.0.0.1', resolve));
  const edgeClosed = new Promise<void>((resolve) => {
    edge.once('connection', (socket) => socket.once('close', resolve));
  });
  const client = connect((edge.address() as AddressInfo).port, '127.0.0.1');
  client.on('error', () => {});
  client.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  client.pause();
  await edgeClosed;
  await podClosed.promise;
  assert.equal(breaker.closed, true, 'it is not the pod that is blamed');
  client.destroy();
  unread.close();
  await plain.destroy();
  await new Promise((resolve) => edge.close(resolve));
  await new Promise((resolve) => endless.close(resolve));
});
