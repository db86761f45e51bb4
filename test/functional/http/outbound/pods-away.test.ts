/** Health checks, pages of absent pods, and the effects of client requests on pods, with the test's own pods. */
// Of src/http/outbound/{pod-error,pod-statements,fan-out}.ts.
import assert from 'node:assert/strict';
import { lookup } from 'node:dns';
import { test } from 'node:test';
import { pino } from 'pino';
import type { DispatchError } from '../../../../src/errors.ts';
import { Breaker } from '../../../../src/http/outbound/breaker.ts';
import { blamesPod } from '../../../../src/http/outbound/retry-policy.ts';
import { Upstream } from '../../../../src/http/outbound/upstream.ts';
import type { GatewayRequest } from '../../../../src/link/message.ts';
import { fieldValue } from '../../../../src/protocol/headers.ts';
import { createTopology } from '../../../../src/routing/topology.ts';
import { portOf, startHttp, startLinkPod, startPlainPod } from '../../../support/http-service.ts';
import { raw } from '../../../support/raw.ts';
import { until } from '../../../support/wait.ts';

const GUILD = '197038439483310086'; // owner 2 of 3
const SECRET = 'a secret of the test cluster';
const close = 'Host: bot.example\r\nConnection: close\r\n\r\n';

test("a request that the HTTP client refuses to send counts as the client's mistake, not the pod's", async () => {
  await using _pod = await startPlainPod(0, (_request, response) => response.end('here'));
  const upstream = new Upstream({
    ...{ url: `http://127.0.0.1:${portOf(_pod)}`, ordinal: 0, secret: null, name: 'test', maxInFlight: 1, lookup },
    ...{ heartbeatMs: 1_000, connectTimeoutMs: 1_000, log: pino({ level: 'silent' }) },
    topology: () => createTopology({ strategy: 'md5', pods: 1 }),
    breaker: new Breaker({ failures: 1, openMs: 1_000 }),
  });
  const ask = (headers: string[], target = '/') =>
    upstream.fetch({ method: 'GET', target, headers, body: Buffer.alloc(0) }, 1_000);
  for (const [headers, target] of [
    [['host', 'a', 'host', 'b']],
    [['x', 'a\u0001']],
    [['expect', '100-continue']],
    [['transfer-encoding', 'chunked']],
    [[], '/a b'],
  ] as const) {
    await assert.rejects(ask([...headers], target), (error: DispatchError) => {
      assert.deepEqual([error.code, error.outcome, blamesPod(error.code)], ['REQUEST_INVALID', 'not-sent', false]);
      return true;
    });
  }
  assert.equal((await ask([])).body.toString(), 'here');
  await upstream.close();
});

test('pipelined writes on one connection run one after another', async () => {
  await using one = await startHttp({ gatewayPods: 1, env: { LINK_SECRET: SECRET } });
  let running = 0;
  let most = 0;
  const order: string[] = [];
  await using _pod = await startLinkPod(one, 0, async ({ target }: GatewayRequest) => {
    most = Math.max(most, ++running);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    running--;
    order.push(target);
    return { status: 200, headers: [], body: Buffer.from('done') };
  });
  await until('the link', () => one.service.readiness().reasons.length === 0);
  const post = (n: number) => `POST /app/${GUILD}?n=${n} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx`;
  const last = `POST /app/${GUILD}?n=9 HTTP/1.1\r\nContent-Length: 0\r\n${close}`;
  const answer = await raw(post(1) + post(2) + post(3) + last, one.port);
  assert.equal(answer.split('HTTP/1.1 200').length, 5);
  assert.deepEqual(
    order.map((target) => target.slice(-1)),
    ['1', '2', '3', '9'],
  );
  assert.equal(most, 1);
});

test('the HTTP pod serves the health path regardless of which gateway pods are away', async () => {
  await using alone = await startHttp({ env: { LINK_SECRET: SECRET, CONNECT_TIMEOUT_MS: '200' } });
  for (const [method, path, status] of [
    ['GET', '/healthz', 200],
    ['HEAD', '/healthz', 200],
    ['GET', '/healthz/', 200],
    ['POST', '/healthz', 405],
    // A load balancer without the health path.
    ['GET', '/', 200],
    ['HEAD', '/', 200],
  ] as const) {
    const response = await fetch(alone.url + path, { method });
    assert.equal(response.status, status, `${method} ${path}`);
    if (status === 200 && method === 'GET') assert.equal(await response.text(), 'ok\n');
  }
  assert.equal((await fetch(alone.url, { headers: { accept: 'text/html' } })).status, 503, 'a browser is told');
});

test('while pod 0 is away another pod answers requests without a guild, unless their route requires pod 0', async () => {
  const routes = [{ path: '/mine', guild: { from: 'none' as const } }];
  await using three = await startHttp({
    env: { LINK_SECRET: SECRET, REQUEST_TIMEOUT_MS: '300', RETRY_BASE_MS: '1' },
    manifest: { routes },
  });
  await using _one = await startLinkPod(three, 1, () => ({ status: 200, headers: [], body: Buffer.from('one') }));
  await until('a link', () => three.service.readiness().reasons.length === 2);
  const ask = async (path: string, init?: RequestInit) => {
    const response = await fetch(three.url + path, init);
    return [response.status, response.headers.get('guildway-pod'), await response.text()];
  };
  assert.deepEqual(await ask('/somewhere'), [200, '1', 'one']);
  assert.deepEqual(await ask('/'), [200, '1', 'one']);
  for (const [path, init] of [['/mine'], ['/somewhere', { method: 'POST' }]] as [string, RequestInit?][]) {
    const [status, , text] = await ask(path, init);
    assert.equal(status, 503, path);
    assert.match(String(text), /requests without a guild is away/);
    assert.doesNotMatch(String(text), /owner of this guild/);
  }
  await using _zero = await startLinkPod(three, 0, () => ({ status: 200, headers: [], body: Buffer.from('zero') }));
  await until('pod 0', () => three.service.readiness().reasons.length === 1);
  assert.deepEqual(await ask('/somewhere'), [200, '0', 'zero'], 'where the bot keeps what has no guild');
});

test('a browser gets an error page within 3 s while the owner is away, and the page retries by itself', async () => {
  await using alone = await startHttp({ env: { LINK_SECRET: SECRET, REQUEST_TIMEOUT_MS: '60000' } });
  const browser = (path: string, init: RequestInit = {}) =>
    fetch(alone.url + path, { ...init, headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } });
  const startedAt = performance.now();
  const away = await browser(`/app/${GUILD}`);
  assert.ok(performance.now() - startedAt < 30_000, 'not as late as anything else would be answered');
  const page = await away.text();
  assert.deepEqual([away.status, away.headers.get('cache-control')], [503, 'no-store']);
  assert.match(away.headers.get('content-type') ?? '', /^text\/html/);
  assert.ok(Number(away.headers.get('retry-after')) > 0);
  assert.match(page, /<meta http-equiv="refresh" content="\d+">[\s\S]*The owner of this guild is away/);
  assert.doesNotMatch(await (await browser('/')).text(), /owner of this guild/);

  const missing = await browser('/app/123');
  assert.equal(missing.status, 404);
  assert.doesNotMatch(await missing.text(), /refresh/);
  const wrong = await browser('/app/%3Cscript%3E');
  assert.equal(wrong.status, 400);
  assert.doesNotMatch(await wrong.text(), /<script>/);
  assert.equal((await fetch(`${alone.url}/app/123`)).headers.get('content-type'), 'application/json');
});

test('a pod gets the same headers over plain HTTP and over the link', async () => {
  await using one = await startHttp({ gatewayPods: 1, env: { LINK_SECRET: SECRET } });
  const requests: GatewayRequest[] = [];
  await using _pod = await startLinkPod(one, 0, (request) => {
    requests.push(request);
    return { status: 200, headers: [], body: Buffer.alloc(0) };
  });
  await until('the link', () => one.service.readiness().reasons.length === 0);
  await raw(`GET /app/${GUILD} HTTP/1.1\r\nX-Forwarded-For: 203.0.113.7\r\nGuildway-Hint: x\r\n${close}`, one.port);
  const { headers } = requests[0] as GatewayRequest;
  assert.equal(fieldValue(headers, 'x-forwarded-for'), '203.0.113.7, 127.0.0.1');
  assert.equal(fieldValue(headers, 'guildway-hint'), undefined);
});
