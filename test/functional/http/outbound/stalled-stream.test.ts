// A client that stops reading a streamed response is disconnected, and then the pod stops sending.
// Of src/http/inbound/client-stream.ts.
import assert from 'node:assert/strict';
import { lookup } from 'node:dns';
import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { pino } from 'pino';
import { RoutedEndpoint } from '../../../../src/http/endpoints/routed-endpoint.ts';
import { BodyReader } from '../../../../src/http/inbound/body.ts';
import { NodeRequest } from '../../../../src/http/inbound/node-request.ts';
import { UnreadResponses } from '../../../../src/http/inbound/unread-responses.ts';
import { HttpMetrics } from '../../../../src/http/metrics/http-metrics.ts';
import { Breaker } from '../../../../src/http/outbound/breaker.ts';
import { OwnerClient } from '../../../../src/http/outbound/owner-client.ts';
import { RetryBudget } from '../../../../src/http/outbound/retry-budget.ts';
import { Upstream } from '../../../../src/http/outbound/upstream.ts';
import { Upstreams } from '../../../../src/http/outbound/upstreams.ts';
import { Registry } from '../../../../src/observability/metrics.ts';
import { ThrottledLog } from '../../../../src/observability/throttled-log.ts';
import { createTopology } from '../../../../src/routing/topology.ts';
import { monotonicNow } from '../../../../src/time.ts';

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
  const log = pino({ level: 'silent' });
  const topology = createTopology({ strategy: 'md5', pods: 1 });
  const upstream = new Upstream({
    ...{ url: `http://127.0.0.1:${(endless.address() as AddressInfo).port}`, ordinal: 0, secret: null, name: 'test' },
    ...{ maxInFlight: 1, heartbeatMs: 1_000, connectTimeoutMs: 1_000, lookup, log },
    topology: () => topology,
    breaker: new Breaker({ failures: 1, openMs: 1_000 }),
  });
  const owners = new OwnerClient({
    ...{ upstreams: new Upstreams({ topology, make: () => upstream, askTimeoutMs: 1, log: new ThrottledLog(log) }) },
    retryBaseMs: 1,
    ...{ retries: new RetryBudget(0), metrics: new HttpMetrics(new Registry()), log: new ThrottledLog(log) },
  });
  const unread = new UnreadResponses({ stalledMs: 100 });
  const bodies = new BodyReader(1_000);
  const routed = new RoutedEndpoint({
    ...{ owners, requestTimeoutMs: 5_000, httpPod: 'http-test', log: new ThrottledLog(log), onDone: () => {} },
    headersFor: () => ['host', 'x'],
  });
  const route = { kind: 'route', guildId: null, anyPod: false, body: 'none', streams: true } as const;
  const edge = createServer((message, response) => {
    const options = { bodies, unread, clientOf: () => null, maxBodyBytes: 1_000 };
    routed.serve(new NodeRequest(message, response, 'r', monotonicNow(), options), route, upstream);
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
  assert.equal(upstream.breaker.closed, true, 'it is not the pod that is blamed');
  client.destroy();
  unread.close();
  await upstream.close();
  await new Promise((resolve) => edge.close(resolve));
  await new Promise((resolve) => endless.close(resolve));
});
