/** Clients that pipeline requests and clients that do not read responses have a bounded cost, however small each part is. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Server, type Socket } from 'node:net';
import { test } from 'node:test';
import { BodyReader } from '../../../../src/http/inbound/body.ts';
import { FastPath } from '../../../../src/http/inbound/fast-path/fast-path.ts';
import { NodeRequest } from '../../../../src/http/inbound/node-request.ts';
import { Turns } from '../../../../src/http/inbound/pipeline-turns.ts';
import { UnreadResponses } from '../../../../src/http/inbound/unread-responses.ts';
import { createServer } from '../../../../src/node-http.ts';
import { monotonicNow } from '../../../../src/time.ts';
import { until } from '../../../support/wait.ts';

const REQUEST = 'GET / HTTP/1.1\r\nHost:\r\n\r\n';

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A server whose requests wait for their turns until the first response of each connection is ended. */
async function startWithTurns(maxWaitingInAll?: number) {
  const first: ServerResponse[] = [];
  const seen = new Set<Socket>();
  let made = 0;
  let served = 0;
  const turns = new Turns((request, response) => {
    if (seen.has(request.socket)) response.end();
    else first.push(response);
    seen.add(request.socket);
    response.once('finish', () => served++);
  }, maxWaitingInAll);
  const server = createServer((request, response) => {
    made++;
    turns.take(request, response);
  });
  const port = await listening(server);
  return {
    first,
    port,
    made: () => made,
    served: () => served,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

async function client(port: number): Promise<{ socket: Socket; answers: () => number; closed: Promise<unknown> }> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await once(socket, 'connect');
  return { socket, answers: () => text.split('HTTP/1.1 200').length - 1, closed };
}

test('only a bounded number of pipelined requests is processed; the connection ends after them', async () => {
  await using server = await startWithTurns();
  const { socket, closed } = await client(server.port);
  // More than one chunk, each with room for 2,000 requests.
  socket.write(REQUEST.repeat(20_000));
  await until('the first is served', () => server.first.length === 1);
  server.first[0]?.end();
  await closed;
  // The client cannot tell from what it read: unread bytes reset its connection.
  assert.equal(server.served(), 101);
  assert.equal(server.made(), 102, 'the one that was too many, and nothing behind it');
});

test('waiting requests are bounded across all connections; served requests make room', async () => {
  await using server = await startWithTurns(4);
  const [one, two] = [await client(server.port), await client(server.port)];
  one.socket.write(REQUEST.repeat(4));
  await until('three wait', () => server.made() === 4);
  two.socket.write(REQUEST.repeat(10));
  await until('one more waits', () => server.made() === 7);
  for (const response of server.first) response.end();
  await two.closed;
  await until('the first connection is served to its end', () => one.answers() === 4);
  assert.equal(server.served(), 6);
  one.socket.write(REQUEST.repeat(5));
  await until('and goes on', () => one.answers() === 9);
  one.socket.destroy();
});

test('a connection whose client does not read its response is closed in bounded time, even without a body', async () => {
  // More than the system buffers.
  const headers = ['content-length', '0', 'x-long', 'x'.repeat(20 * 1024 * 1024)];
  const none = Buffer.alloc(0);
  const bodies = new BodyReader(1_000);
  const unread = new UnreadResponses({ stalledMs: 100 });
  const options = { bodies, unread, clientOf: () => null, maxBodyBytes: 1_000 };
  const fast = createServer();
  FastPath.inFrontOf(fast, {
    ...{ bodies, clientOf: () => null, unread, maxHeaderBytes: 16_384, keepAliveMs: 60_000, firstRequestMs: 60_000 },
    newRequestId: () => 'r',
    serve(request) {
      request.respond(200, headers, none);
      return true;
    },
  });
  const plain = createServer((message, response) =>
    new NodeRequest(message, response, 'r', monotonicNow(), options).respond(200, headers, none),
  );
  for (const server of [fast, plain]) {
    const taken = once(server, 'connection');
    const port = await listening(server);
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {}).pause();
    socket.write(REQUEST.replace('Host:', 'Host: a'));
    const [connection] = (await taken) as [Socket];
    await once(connection, 'close');
    socket.destroy();
    server.close();
  }
  unread.close();
});
