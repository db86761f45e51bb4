/** Gateway pods behind TLS, `https://` in GATEWAY_URL_TEMPLATE: each way to reach them verifies the certificate. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { test } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { pino } from 'pino';
import { WebSocket, WebSocketServer } from 'ws';
import { attachLinkServer } from '../../../../src/link/server.ts';
import { createTopology } from '../../../../src/routing/topology.ts';
import { findFreePorts } from '../../../../testkit/cluster/ports.ts';
import { startHttp } from '../../../support/http-service.ts';

const pem = (name: string): string =>
  readFileSync(new URL(`../../../vectors/tls/${name}.pem`, import.meta.url), 'utf8');
/** Self-signed, for the name `localhost` only. */
const certificate = pem('certificate');
const LINK_SECRET = 'the link secret of this test';
const manifest = {
  name: 'test',
  commands: {},
  components: {},
  modals: {},
  routes: [{ path: '/streams', guild: { from: 'none' as const }, stream: true }],
};

/** Gateway pod 0 with TLS. @returns what has reached it, by transport */
async function startTlsPod(port: number) {
  const reached = { link: 0, plain: 0, websocket: 0 };
  const server = createServer({ cert: certificate, key: pem('key') }, (_, response) => {
    reached.plain++;
    response.end('plain');
  });
  const sockets = new WebSocketServer({ noServer: true });
  const link = attachLinkServer(server, {
    ...{
      ordinal: 0,
      secret: LINK_SECRET,
      manifest,
      topology: () => createTopology({ strategy: 'md5', pods: 1 }).toRecord(),
    },
    ...{ heartbeatMs: 5_000, helloTimeoutMs: 1_000, maxInFlight: 10, log: pino({ level: 'silent' }) },
    async handler() {
      reached.link++;
      return { status: 200, headers: [], body: Buffer.from('link') };
    },
    onOtherUpgrade(request, socket, head) {
      reached.websocket++;
      sockets.handleUpgrade(request, socket, head, (client) => client.close(4_000));
    },
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    reached,
    async [Symbol.asyncDispose]() {
      link.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What a client of the HTTP service gets, by transport. */
async function tryAll(host: string, port: number) {
  const env = { LINK_SECRET, GATEWAY_URL_TEMPLATE: `https://${host}:{${port}+ordinal}`, REQUEST_TIMEOUT_MS: '1000' };
  await using http = await startHttp({ gatewayPods: 1, env, manifest });
  const socket = new WebSocket(`ws://127.0.0.1:${http.port}/live`);
  socket.on('error', () => {});
  const [link, plain, websocket] = await Promise.all([
    fetch(`${http.url}/page`),
    fetch(`${http.url}/streams`),
    new Promise<number>((resolve) => socket.once('close', resolve)),
  ]);
  return { link: await outcome(link), plain: await outcome(plain), websocket };
}

const outcome = async (response: Response): Promise<string | number> =>
  response.ok ? await response.text() : response.status;

test('a gateway pod with https:// is reached only if its certificate is trusted and matches its name', async () => {
  const before = getCACertificates('default');
  const port = await findFreePorts(1);
  await using pod = await startTlsPod(port);
  const nothing = { link: 503, plain: 503, websocket: 1_006 };
  try {
    assert.deepEqual(await tryAll('localhost', port), nothing, 'the certificate is untrusted');
    setDefaultCACertificates([...before, certificate]);
    assert.deepEqual(await tryAll('127.0.0.1', port), nothing, 'it is for another name');
    assert.deepEqual(pod.reached, { link: 0, plain: 0, websocket: 0 });
    assert.deepEqual(await tryAll('localhost', port), { link: 'link', plain: 'plain', websocket: 4_000 });
    assert.deepEqual(pod.reached, { link: 1, plain: 1, websocket: 1 });
  } finally {
    setDefaultCACertificates(before);
  }
});
