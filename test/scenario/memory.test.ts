/** Unread responses and concurrent requests stay within the memory limits of the manifests. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FRAME } from '../../src/link/frames.ts';
import { LINK_HEADER, newNonce, proof } from '../../src/link/handshake.ts';
import { type Cluster, type Pod, startCluster } from '../../testkit/cluster/index.ts';
import { frame, requestPayload, upgrade } from '../support/link.ts';

const MEGABYTE = 1024 * 1024;
/** Of cluster/base/http-service.yaml and gateway-service.yaml. */
const LIMIT = { http: 256 * MEGABYTE, gateway: 768 * MEGABYTE } as const;
const GUILD = '197038439483310086';
const skip = process.platform !== 'linux';

/** The manifest's setting for an HTTP pod; stricter than a gateway pod's own. */
function ofManifest(name: string): string {
  const manifest = readFileSync(new URL('../../cluster/base/http-service.yaml', import.meta.url), 'utf8');
  return new RegExp(`- name: ${name}\\n\\s+value: "?([^"\\n]+)`).exec(manifest)?.[1] as string;
}

let cluster: Cluster;

before(async () => {
  if (skip) return;
  const bot = fileURLToPath(new URL('../support/large-page-bot.ts', import.meta.url));
  cluster = await startCluster({
    httpPods: 1,
    gatewayPods: 1,
    guilds: 1,
    bot,
    env: {
      REQUEST_TIMEOUT_MS: '20000',
      LINK_HEARTBEAT_MS: '1000',
      NODE_OPTIONS: ofManifest('NODE_OPTIONS'),
      MALLOC_MMAP_THRESHOLD_: ofManifest('MALLOC_MMAP_THRESHOLD_'),
    },
  });
});
after(async () => cluster?.[Symbol.asyncDispose]());

/** The peak memory of a pod. */
function peakOf(pod: Pod): number {
  const peak = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pod.pid}/status`, 'latin1'));
  return Number(peak?.[1]) * 1024;
}

async function assertWithinLimits(): Promise<void> {
  const response = await fetch(`${cluster.url}/app/${GUILD}/0`);
  const [http, gateway] = [cluster.httpPods[0] as Pod, cluster.gatewayPods[0] as Pod];
  const megabytes = (bytes: number): string => `${Math.round(bytes / MEGABYTE)} MiB`;
  assert.ok(peakOf(http) < LIMIT.http, `the HTTP pod had ${megabytes(peakOf(http))}`);
  assert.ok(peakOf(gateway) < LIMIT.gateway, `the gateway pod had ${megabytes(peakOf(gateway))}`);
  assert.equal(response.status, 200, 'others are served');
}

async function open(): Promise<Socket> {
  const { hostname, port } = new URL((cluster.httpPods[0] as Pod).url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket;
}

/** Sends a request directly to the HTTP pod. @returns the status, and the number of bytes until the connection ended */
async function countBytes(request: string): Promise<{ status: number; bytes: number }> {
  const socket = await open();
  let status = Number.NaN;
  let bytes = 0;
  socket.on('data', (chunk) => {
    if (bytes === 0) status = Number(chunk.toString('latin1', 0, 16).split(' ')[1]);
    bytes += chunk.length;
  });
  socket.write(request);
  await new Promise((resolve) => socket.once('close', resolve));
  return { status, bytes };
}

test('150 concurrent requests for a 5 MB page: all get the page or an error in time', {
  skip,
}, async () => {
  const statuses = await Promise.all(
    Array.from({ length: 150 }, async () => {
      const { status, bytes } = await countBytes(
        `GET /app/${GUILD}/5 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
      );
      // A busy machine may be too slow for some: 504 and 502 are responses too.
      assert.ok((status === 200 && bytes >= 5 * MEGABYTE) || status > 500, `${status} with ${bytes} bytes`);
      return status;
    }),
  );
  assert.ok(statuses.includes(200));
  await assertWithinLimits();
});

test('40 clients that do not read a 7 MB page', { skip }, async () => {
  const sockets = await Promise.all(Array.from({ length: 40 }, open));
  const answered = sockets.map(
    (socket) =>
      new Promise<void>((resolve) => {
        socket.once('readable', resolve).once('close', resolve);
      }),
  );
  for (const socket of sockets) socket.write(`GET /app/${GUILD}/7 HTTP/1.1\r\nhost: x\r\n\r\n`);
  await Promise.all(answered);
  await assertWithinLimits();
  for (const socket of sockets) socket.destroy();
});

test('60 connections with 1,000 pipelined requests each', { skip }, async () => {
  const sockets = await Promise.all(Array.from({ length: 60 }, open));
  const ended = sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve)));
  for (const socket of sockets) {
    socket.resume();
    socket.end(`GET /app/${GUILD}/0 HTTP/1.1\r\nhost: x\r\n\r\n`.repeat(1_000));
  }
  await Promise.all(ended);
  await assertWithinLimits();
});

test('200 requests for a 7 MB page on a link that is not read', { skip }, async () => {
  const gateway = cluster.gatewayPods[0] as Pod;
  const { linkSecret } = JSON.parse(readFileSync(`${cluster.directory}/secrets.json`, 'utf8')) as {
    linkSecret: string;
  };
  const nonce = newNonce();
  const socket = await upgrade(gateway.url, { [LINK_HEADER.ordinal]: '0', [LINK_HEADER.nonce]: nonce });
  const hello = {
    proof: proof(linkSecret, 'client', 0, nonce, socket.nonce),
    name: 'unread',
    topology: cluster.topology.toRecord(),
  };
  socket.write(frame(FRAME.hello, 0, Buffer.from(JSON.stringify(hello))));
  await new Promise((resolve) => socket.once('data', resolve));
  socket.pause();
  const request = requestPayload(`GET\0/app/${GUILD}/7\0host\0x`);
  request.writeUInt32BE(20_000, 0);
  for (let id = 1; id <= 200; id++) socket.write(frame(FRAME.request, id, request));
  // Others wait until the pod disconnects a peer that was silent for three heartbeats, and frees its unread responses.
  await assertWithinLimits();
  socket.destroy();
});
