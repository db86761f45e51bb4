// Every client gets a response in time, regardless of which part does not respond. The asserted limits are far above the configured ones.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer as createTcpServer } from 'node:net';
import { test } from 'node:test';
import {
  type HttpUnderTest,
  signedHeaders,
  startHttp,
  startLinkPod,
  startPlainPod,
} from '../../../support/http-service.ts';
import { until } from '../../../support/wait.ts';

const id = '197038439483310086'; // owner 2 of 3
const secret = { LINK_SECRET: 'the link secret of this test' };
const env = { INTERACTION_BUDGET_MS: '400', STAND_IN_RESERVE_MS: '100', REQUEST_TIMEOUT_MS: '400', RETRY_BASE_MS: '5' };
/** Far more than 400 ms, far less than the minutes of an unbounded response. */
const LIMIT_MS = 15_000;

async function timed<Result>(what: string, work: Promise<Result>): Promise<Result> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`${what}: no answer within ${LIMIT_MS} ms`)), LIMIT_MS);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Status of a page, an event stream, an API write, an interaction, an event webhook and a websocket. */
async function askEverything(http: HttpUnderTest): Promise<Record<string, number>> {
  const body = JSON.stringify({ id: '1', type: 2, guild_id: id, token: 't', data: { name: 'x' } });
  const event = JSON.stringify({ version: 1, type: 1, event: { type: 'X', data: { guild_id: id } } });
  const post = (of: string) => ({ method: 'POST', headers: signedHeaders(of), body: of });
  const kinds: Record<string, Promise<Response>> = {
    page: fetch(`${http.url}/app/${id}`),
    stream: fetch(`${http.url}/app/${id}`, { headers: { accept: 'text/event-stream' } }),
    write: fetch(`${http.url}/app/${id}`, { method: 'POST', body: 'x' }),
    interaction: fetch(`${http.url}/webhooks/discord`, post(body)),
    event: fetch(`${http.url}/webhooks/discord-events`, post(event)),
  };
  const answers: Record<string, number> = {};
  for (const [kind, response] of Object.entries(kinds)) answers[kind] = (await timed(kind, response)).status;
  const socket = connect(http.port, '127.0.0.1');
  socket.write(`GET /app/${id}/ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
  const [head] = (await timed('websocket', once(socket, 'data'))) as [Buffer];
  answers.websocket = Number(head.toString('latin1').split(' ', 2)[1]);
  socket.destroy();
  return answers;
}

test('an owner that accepts requests and never responds, over the link and over plain HTTP', async () => {
  const expected = { page: 503, stream: 503, write: 502, interaction: 200, event: 503, websocket: 503 };
  {
    await using http = await startHttp({ gatewayPods: 1, env: { ...env, ...secret } });
    await using _pod = await startLinkPod(http, 0, () => new Promise(() => {}));
    const { stream, websocket, ...linked } = await askEverything(http);
    assert.deepEqual({ ...linked, stream: 503, websocket: 503 }, expected);
    // This pod's plain side is a server without any handler.
    assert.ok(stream !== undefined && websocket !== undefined);
  }
  await using http = await startHttp({ gatewayPods: 1, env });
  await using pod = await startPlainPod(http.gatewayPorts[0] as number, () => {});
  pod.on('upgrade', (_request, socket) => socket.on('error', () => {}));
  assert.deepEqual(await askEverything(http), expected);
});

test('an owner whose port accepts connections and sends nothing', async () => {
  const patient = { ...env, ...secret, CONNECT_TIMEOUT_MS: '60000' };
  await using http = await startHttp({ gatewayPods: 1, env: patient });
  const mute = createTcpServer((socket) => socket.on('error', () => {}));
  const sockets = new Set<{ destroy(): void }>();
  mute.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => mute.listen(http.gatewayPorts[0], '127.0.0.1', resolve));
  await once(mute, 'connection');
  const { page, write, interaction, event } = await askEverything(http);
  assert.deepEqual({ page, write, interaction, event }, { page: 503, write: 503, interaction: 200, event: 503 });
  for (const socket of sockets) socket.destroy();
  mute.close();
});

test('a request to all pods waits for an absent pod only for the connection timeout', async () => {
  const manifest = { routes: [{ path: '/all', guild: { from: 'all' as const } }] };
  const patient = { ...env, ...secret, REQUEST_TIMEOUT_MS: '120000', CONNECT_TIMEOUT_MS: '200' };
  await using http = await startHttp({ gatewayPods: 2, env: patient, manifest });
  const none = await timed('not-stored', fetch(`${http.url}/all`));
  assert.equal(none.status, 503, 'no pod has answered');
  await using _pod = await startLinkPod(http, 0, () => ({ status: 200, headers: [], body: Buffer.from('here') }));
  // It counts as away until it is dialled again.
  await until('one answers', async () => (await timed('one', fetch(`${http.url}/all`))).status === 200);
});
