// A gateway pod as its callers see it: over the link and over plain HTTP, with a real database.
// Of src/gateway/admission.ts, src/gateway/serve/{router,server,incoming,internal-endpoints,plain-request,response-writer}.ts.
import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { DatabaseSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { defineBot } from '../../../src/bot/define-bot.ts';
import { gatewayConfig, loadConfig } from '../../../src/config/load.ts';
import { startGatewayService } from '../../../src/gateway/service.ts';
import { signPlainRequest } from '../../../src/link/auth.ts';
import { LinkClient } from '../../../src/link/client.ts';
import { type GatewayRequest, headerValue } from '../../../src/link/message.ts';
import { createTopology } from '../../../src/routing/topology.ts';
import { NOWHERE } from '../../support/gateway-pod.ts';
import { command, GUILD } from '../../support/interactions.ts';
import { NOTES, silent, temporaryFolder } from '../../support/store.ts';
import { until } from '../../support/wait.ts';

const SECRET = 'a secret of the test cluster';
/** Owner of GUILD under md5/3. */
const ORDINAL = 1;
/** Owned by pod 2. */
const OTHER_GUILD = '81384788765712384';

let aborted = 0;
const bot = defineBot({
  name: 'test',
  tables: ['notes'],
  migrations: [NOTES],
  routes: [
    { path: '/stream/:guildId', guild: { from: 'path' }, stream: true },
    { path: '/events/:guildId', guild: { from: 'path' } },
    { path: '/everywhere', guild: { from: 'all' } },
  ],
  commands: [
    { name: 'note', description: 'x', run: () => ({ type: 4, data: { content: 'noted' } }) },
    { name: 'never', description: 'x', run: () => new Promise(() => {}) },
  ],
  async fetch(request, context) {
    const { pathname } = new URL(request.url);
    if (pathname.endsWith('/never')) return new Promise(() => {});
    if (pathname.endsWith('/throws')) throw new Error('a bug');
    if (pathname.endsWith('/broken')) return Response.error();
    if (pathname.endsWith('/nothing')) return undefined as never;
    if (pathname.endsWith('/write')) {
      const note = await request.text();
      const count = context.transaction((db) => {
        db.run('INSERT INTO notes (guild_id, text) VALUES (?, ?)', context.guildId, note);
        return db.get<{ n: number }>('SELECT COUNT(*) AS n FROM notes')?.n;
      });
      return Response.json({ count }, { status: 201 });
    }
    if (pathname.startsWith('/stream/') || pathname.startsWith('/events/')) return events(context.signal);
    const headers = new Headers({ 'content-type': 'text/plain', 'guildway-owner': 'spoofed' });
    headers.append('set-cookie', 'a=1');
    headers.append('set-cookie', 'b=2');
    const seen = [...request.headers].filter(([name]) => name.startsWith('guildway-'));
    const body = JSON.stringify({ url: request.url, guild: context.guildId, seen, text: await request.text() });
    return new Response(body, { headers });
  },
});

/** Server-sent events without an end. */
function events(signal: AbortSignal): Response {
  let timer: NodeJS.Timeout;
  const body = new ReadableStream({
    start(controller) {
      let n = 0;
      timer = setInterval(() => controller.enqueue(Buffer.from(`data: ${n++}\n\n`)), 10);
    },
    cancel: () => clearInterval(timer),
  });
  signal.addEventListener('abort', () => aborted++);
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
}

async function startPod(path: string, pods = 3) {
  const config = gatewayConfig(
    loadConfig({
      SERVICE_MODE: 'gateway',
      POD_NAME: `gateway-${ORDINAL}`,
      NUM_GATEWAY_PODS: String(pods),
      DATABASE_PATH: path,
      LINK_SECRET: SECRET,
      PORT: '0',
      HOST: '127.0.0.1',
      MAX_BODY_BYTES: '1024',
      GATEWAY_URL_TEMPLATE: NOWHERE,
      TOPOLOGY_CONFIRMED: `md5/${pods}`,
    }),
  );
  const topology = createTopology({ strategy: 'md5', pods });
  const registry = new Registry();
  const service = await startGatewayService({ config, bot, topology, log: silent, registry });
  const url = `http://127.0.0.1:${service.port}`;
  const link = new LinkClient({
    ...{ url, ordinal: ORDINAL, secret: SECRET, topology, name: 'test', log: silent },
    ...{ heartbeatMs: 1_000, connectTimeoutMs: 1_000, maxInFlight: 100 },
  });
  const close = async (): Promise<void> => {
    link.close();
    await service.close();
  };
  return {
    service,
    registry,
    link,
    url,
    close,
    [Symbol.asyncDispose]: close,
    /** Over the link. */
    async ask(method: string, target: string, options: { headers?: string[]; body?: string; timeoutMs?: number } = {}) {
      const body = Buffer.from(options.body ?? '');
      const request: GatewayRequest = { method, target, headers: options.headers ?? [], body };
      const response = await link.request(request, options.timeoutMs ?? 2_000);
      const received = response.body.toString();
      return { ...response, text: received, header: (name: string) => headerValue(response.headers, name) };
    },
    /** Over plain HTTP. */
    plain(
      method: string,
      target: string,
      options: { headers?: Record<string, string>; body?: string; auth?: string; ordinal?: number } = {},
    ) {
      const auth = options.auth ?? signPlainRequest(SECRET, options.ordinal ?? ORDINAL, method, target);
      return fetch(url + target, {
        method,
        headers: { 'guildway-auth': auth, ...options.headers },
        ...(options.body === undefined ? {} : { body: options.body }),
      });
    },
  };
}

test("a pod serves its own guilds over both transports, with the client's original web request", async () => {
  using folder = temporaryFolder();
  await using pod = await startPod(folder.file('pod'));
  const forwarded = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'bot.example', 'guildway-request-id': 'r-9' };
  const target = `/app/${GUILD}/page?n=1`;
  const over = {
    link: await pod.ask('GET', target, { headers: Object.entries(forwarded).flat() }),
    plain: await pod.plain('GET', target, { headers: forwarded }),
  };
  const expected = { url: `https://bot.example${target}`, guild: GUILD, seen: [], text: '' };
  assert.deepEqual(JSON.parse(over.link.text), expected);
  assert.deepEqual(await over.plain.json(), expected);
  assert.equal(over.link.header('guildway-pod'), '1');
  assert.equal(over.link.header('guildway-owner'), undefined, 'a bot cannot speak for the pod');
  assert.equal(over.plain.headers.get('guildway-pod'), '1');
  assert.deepEqual(over.plain.headers.getSetCookie(), ['a=1', 'b=2']);
  const posted = await pod.plain('POST', target, { body: 'a body that streams' });
  assert.equal(((await posted.json()) as { text: string }).text, 'a body that streams');
  const head = await pod.plain('HEAD', target);
  assert.deepEqual([head.status, await head.text()], [200, '']);
});

test('requests for other guilds and without a guild are misdirected; a request to all pods is not', async () => {
  using folder = temporaryFolder();
  await using pod = await startPod(folder.file('pod'));
  const other = await pod.ask('GET', `/app/${OTHER_GUILD}`);
  assert.deepEqual([other.status, other.header('guildway-owner'), other.header('guildway-epoch')], [421, '2', '1']);
  const interaction = command('note', { guild_id: OTHER_GUILD });
  const wrong = await pod.ask('POST', '/webhooks/discord', { body: JSON.stringify(interaction) });
  assert.equal(wrong.status, 421);
  assert.equal((await pod.ask('POST', '/')).status, 421);
  assert.equal((await pod.ask('GET', '/')).status, 200, 'any pod reads what no guild has');
  assert.equal((await pod.ask('GET', '/everywhere')).status, 200);
  assert.equal((await pod.ask('GET', '/app/01')).status, 400);
});

test('a path that a URL parser would resolve to another guild is rejected, and a host cannot contain a path', async () => {
  using folder = temporaryFolder();
  await using pod = await startPod(folder.file('pod'));
  for (const up of ['..', '%2e%2e', '.%2E', '.', '%2e']) {
    const target = `/api/guilds/${GUILD}/${up}/${OTHER_GUILD}/write`;
    assert.equal((await pod.ask('POST', target, { body: 'x' })).status, 400, target);
  }
  assert.equal((await pod.ask('GET', `/app/${GUILD}\\..\\${OTHER_GUILD}`)).status, 400);
  assert.equal((await pod.ask('GET', `/app/${GUILD}/..`)).status, 400);
  const headers = ['host', `a.example/app/${OTHER_GUILD}?x=`];
  const { url } = JSON.parse((await pod.ask('GET', `/app/${GUILD}/a..b`, { headers })).text);
  assert.equal(url, `http://a.example/app/${GUILD}/a..b`);
});

test('plain HTTP is accepted only from pods that address this pod', async () => {
  using folder = temporaryFolder();
  await using pod = await startPod(folder.file('pod'));
  const target = `/app/${GUILD}`;
  assert.equal((await pod.plain('GET', target, { auth: 'v1;1;1;00' })).status, 401);
  assert.equal(
    (await pod.plain('GET', target, { auth: signPlainRequest('another secret, long', ORDINAL, 'GET', target) })).status,
    401,
  );
  assert.equal(
    (await pod.plain('GET', target, { auth: signPlainRequest(SECRET, ORDINAL, 'GET', '/elsewhere') })).status,
    401,
  );
  const misdialled = await pod.plain('GET', target, { ordinal: 2 });
  assert.equal(misdialled.status, 421);
  assert.equal(misdialled.headers.get('guildway-owner'), null);
  assert.equal((await fetch(pod.url + target)).status, 401);
});

test('a write with an Idempotency-Key happens once, over both transports', async () => {
  using folder = temporaryFolder();
  await using pod = await startPod(folder.file('pod'));
  const target = `/api/guilds/${GUILD}/write`;
  const key = ['idempotency-key', 'key-1'];
  const first = await pod.ask('POST', target, { headers: key, body: 'one' });
  const again = await pod.plain('POST', target, { headers: { 'idempotency-key': 'key-1' }, body: 'one' });
  assert.deepEqual([first.status, first.text], [201, '{"count":1}']);
  assert.deepEqual([again.status, await again.text()], [201, '{"count":1}']);
  assert.equal(again.headers.get('guildway-replayed'), '1');
  assert.equal((await pod.ask('POST', target, { headers: key, body: 'two' })).status, 409);
  assert.equal((await pod.ask('POST', `${target}?x`, { headers: key, body: 'one' })).status, 409);
  assert.equal((await pod.ask('POST', target, { headers: ['idempotency-key', ''], body: 'one' })).status, 400);
  assert.equal((await pod.ask('POST', target, { body: 'one' })).text, '{"count":2}');
  assert.equal((await pod.ask('POST', target, { body: 'one' })).text, '{"count":3}');
});

test('a Stripe event is handled once', async () => {
  using folder = temporaryFolder();
  await using pod = await startPod(folder.file('pod'));
  const body = JSON.stringify({ id: 'evt_1', data: { object: { metadata: { guild_id: GUILD } } } });
  const replayed = [];
  for (let i = 0; i < 2; i++)
    replayed.push((await pod.ask('POST', '/webhooks/stripe', { body })).header('guildway-replayed'));
  assert.deepEqual(replayed, [undefined, '1']);
});

test('a stream is forwarded immediately, and its handler learns that the client disconnected', async () => {
  using folder = temporaryFolder();
  await using pod = await startPod(folder.file('pod'));
  const before = aborted;
  const controller = new AbortController();
  const target = `/stream/${GUILD}`;
  const response = await fetch(pod.url + target, {
    headers: { 'guildway-auth': signPlainRequest(SECRET, ORDINAL, 'GET', target), 'guildway-deadline-ms': '100' },
    signal: controller.signal,
  });
  assert.equal(response.headers.get('content-type'), 'text/event-stream');
  const reader = response.body?.getReader();
  let received = '';
  while (!received.includes('data: 20\n')) received += Buffer.from((await reader?.read())?.value ?? []).toString();
  controller.abort();
  await until('the handler is told', () => aborted === before + 1);
});

test('over the link an endless response is an error that names the way out', async () => {
  using folder = temporaryFolder();
  await using pod = await startPod(folder.file('pod'));
  const response = await pod.ask('GET', `/events/${GUILD}`, { timeoutMs: 300 });
  assert.deepEqual(
    [response.status, JSON.parse(response.text)],
    [500, { error: 'the response is not finished in time' }],
  );
});

test('buffered and streamed bodies are bounded', async () => {
  using folder = temporaryFolder();
  await using pod = await startPod(folder.file('pod'));
  const target = `/api/guilds/${GUILD}/write`;
  const body = 'x'.repeat(1_025);
  assert.equal((await pod.plain('POST', target, { body })).status, 413);
  assert.equal((await pod.plain('POST', target, { body, headers: { 'idempotency-key': 'k' } })).status, 413);
  assert.equal((await pod.plain('POST', target, { body: 'x'.repeat(1_024) })).status, 201);
  // A caller that disconnects midway does not harm the pod.
  const auth = signPlainRequest(SECRET, ORDINAL, 'POST', target);
  const half = httpRequest(pod.url + target, {
    method: 'POST',
    headers: { 'guildway-auth': auth, 'content-length': '100' },
  });
  half.on('error', () => {});
  half.write('half');
  await delay(50);
  half.destroy();
  assert.equal((await pod.ask('POST', target, { body: 'fine' })).text, '{"count":2}');
});

test('handlers that throw or never return do not take the pod with them', async () => {
  using folder = temporaryFolder();
  await using pod = await startPod(folder.file('pod'));
  const interact = (name: string, timeoutMs?: number) =>
    pod.ask('POST', '/webhooks/discord', {
      body: JSON.stringify(command(name)),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
  const thrown = await pod.ask('GET', `/app/${GUILD}/throws`, { headers: ['guildway-request-id', 'r-1'] });
  assert.deepEqual([thrown.status, JSON.parse(thrown.text)], [500, { error: 'something went wrong; reference r-1' }]);
  for (const broken of ['broken', 'nothing']) {
    assert.equal((await pod.ask('GET', `/app/${GUILD}/${broken}`)).status, 500, broken);
    assert.equal((await pod.plain('GET', `/app/${GUILD}/${broken}`)).status, 500, broken);
  }
  const never = [
    interact('never', 100),
    pod.ask('GET', `/app/${GUILD}/never`, { timeoutMs: 100 }),
    pod.ask('POST', `/app/${GUILD}/never`, { headers: ['idempotency-key', 'never'], timeoutMs: 100 }),
  ];
  for (const hanging of never) await assert.rejects(hanging, { code: 'DEADLINE_EXCEEDED' });
  const late = await pod.plain('GET', `/app/${GUILD}/never`, { headers: { 'guildway-deadline-ms': '50' } });
  assert.equal(late.status, 504);
  // The slots of hanging handlers are free again.
  await until('nothing is in flight', () => pod.link.inFlight === 0);
  assert.equal(JSON.parse((await interact('note')).text).data.content, 'noted');
  assert.deepEqual(pod.service.readiness(), { ready: true, reasons: [] });
});

test('invalid interactions and methods are rejected', async () => {
  using folder = temporaryFolder();
  await using pod = await startPod(folder.file('pod'));
  const post = async (body: string) => (await pod.ask('POST', '/webhooks/discord', { body })).status;
  assert.equal(await post('{'), 400);
  assert.equal(await post(JSON.stringify({ guild_id: GUILD, type: 2, id: '1' })), 400);
  assert.equal(await post(JSON.stringify({ ...command('note'), id: '../1' })), 400);
  assert.equal(await post(JSON.stringify({ ...command('note'), data: null })), 400);
  const got = await pod.ask('GET', '/webhooks/discord', { body: JSON.stringify({ guild_id: GUILD }) });
  assert.equal(got.status, 405);
  assert.equal((await pod.ask('TRACE', `/app/${GUILD}`)).status, 400);
});

test('pods can ask each other for state, guilds and hints, and nothing else', async () => {
  using folder = temporaryFolder();
  await using pod = await startPod(folder.file('pod'));
  await pod.ask('POST', `/api/guilds/${GUILD}/write`, { body: 'a row' });
  const state = JSON.parse((await pod.ask('GET', '/_guildway/state')).text);
  assert.deepEqual(
    [state.pod, state.ready, state.incarnation, state.topology.pods, state.hints],
    [1, true, 1, 3, { count: 0, bytes: 0, setAside: 0 }],
  );
  assert.deepEqual(JSON.parse((await pod.ask('GET', '/_guildway/guilds')).text), { guilds: [GUILD] });
  const put = (identity: string) =>
    pod.ask('PUT', `/_guildway/hints/${encodeURIComponent(identity)}`, {
      headers: [
        'guildway-hint-target',
        '/webhooks/discord',
        'guildway-hint-guild',
        OTHER_GUILD,
        'guildway-hint-life-ms',
        '60000',
      ],
      body: '{}',
    });
  assert.deepEqual([(await put('interaction:1')).status, (await put('interaction:1')).status], [201, 200]);
  assert.equal((await put('interaction: ')).status, 400);
  assert.equal((await pod.ask('PUT', '/_guildway/hints/%E0%A4%A', { body: '{}' })).status, 400);
  const hints = (await pod.service.adminRoutes['/hints']?.(new URLSearchParams())) as {
    count: number;
    owners: object[];
  };
  assert.equal(hints.count, 1);
  assert.equal((await pod.ask('POST', '/_guildway/identify', { body: '{"shard":0}' })).status, 503);
  assert.equal((await pod.ask('GET', '/_guildway/secrets')).status, 404);
  assert.equal((await pod.ask('DELETE', '/_guildway/state')).status, 405);
});

test('metrics count what happened', async () => {
  using folder = temporaryFolder();
  await using pod = await startPod(folder.file('pod'));
  await pod.ask('GET', `/app/${GUILD}`);
  await pod.ask('GET', `/app/${OTHER_GUILD}`);
  const interaction = { body: JSON.stringify(command('note')) };
  for (let i = 0; i < 2; i++) await pod.ask('POST', '/webhooks/discord', interaction);
  const metrics = await pod.registry.metrics();
  for (const line of [
    'guildway_gateway_requests_total{kind="fetch",outcome="ok"} 1',
    'guildway_gateway_requests_total{kind="fetch",outcome="misdirected"} 1',
    'guildway_gateway_requests_total{kind="interaction",outcome="ok"} 1',
    'guildway_gateway_requests_total{kind="interaction",outcome="replayed"} 1',
    'guildway_ledger_replays_total 1',
  ]) {
    assert.ok(metrics.includes(line), line);
  }
  assert.match(metrics, /guildway_sqlite_bytes [1-9]/);
});

test('given the volume of another pod: it listens, is not ready, says why, and answers no request', async () => {
  using folder = temporaryFolder();
  const path = folder.file('pod');
  await (await startPod(path)).close();
  const sqlite = new DatabaseSync(path);
  sqlite.exec(`UPDATE guildway_meta SET ordinal = ${ORDINAL + 1}`);
  sqlite.close();
  await using pod = await startPod(path);
  const { ready, reasons } = pod.service.readiness();
  assert.equal(ready, false);
  assert.match(reasons[0] ?? '', /belongs to gateway-2, but this pod is gateway-1: give each pod its own volume/);
  for (const target of [`/app/${GUILD}`, '/everywhere', '/_guildway/guilds']) {
    const { status, text: why } = await pod.ask('GET', target);
    assert.equal(status, 503, target);
    assert.match(why, /belongs to gateway-2/);
  }
  const put = await pod.ask('PUT', '/_guildway/hints/interaction%3A1', { body: '{}' });
  assert.equal(put.status, 503);
  assert.equal(JSON.parse((await pod.ask('GET', '/_guildway/state')).text).ready, false);
});

test('a draining pod finishes running requests, new ones go elsewhere, and the WAL is checkpointed', async () => {
  using folder = temporaryFolder();
  const path = folder.file('pod');
  const pod = await startPod(path);
  await pod.ask('POST', `/api/guilds/${GUILD}/write`, { body: 'one' });
  const slow = httpRequest(`${pod.url}/api/guilds/${GUILD}/write`, {
    method: 'POST',
    headers: {
      'guildway-auth': signPlainRequest(SECRET, ORDINAL, 'POST', `/api/guilds/${GUILD}/write`),
      'transfer-encoding': 'chunked',
    },
  });
  const answered = new Promise<string>((resolve, reject) => {
    slow.once('response', (response) => resolve(text(response)));
    slow.once('error', reject);
  });
  slow.write('tw');
  await delay(50);
  const drained = pod.service.drain();
  await delay(50);
  slow.end('o');
  assert.equal(await answered, '{"count":2}');
  // The client would keep its connection for seconds.
  await Promise.race([drained, delay(2_000).then(() => assert.fail('not drained'))]);
  await pod.close();
  const { existsSync } = await import('node:fs');
  assert.equal(existsSync(`${path}-wal`), false);
  const sqlite = new DatabaseSync(path, { readOnly: true });
  assert.deepEqual(
    sqlite
      .prepare('SELECT text FROM notes')
      .all()
      .map((row) => row.text),
    ['one', 'two'],
  );
  sqlite.close();
});
