import assert from 'node:assert/strict';
import { request } from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import perfHooks from 'node:perf_hooks';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { GuildwayError } from '../../../src/errors.ts';
import { type Readiness, startAdminServer } from '../../../src/observability/admin-server.ts';
import { REDACTED } from '../../../src/observability/log.ts';
import { createRegistry } from '../../../src/observability/metrics.ts';

const log = pino({ level: 'silent' });

/** `fetch` sets Host and Origin by itself. */
function ask(port: number, method: string, headers: Record<string, string>): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    request({ port, host: '127.0.0.1', method, path: '/healthz', headers }, async (response) => {
      let body = '';
      for await (const chunk of response) body += chunk;
      resolve({ status: response.statusCode ?? 0, body });
    })
      .on('error', reject)
      .end();
  });
}

test('health reports a running process, readiness the reasons why it cannot serve, metrics Prometheus text', async () => {
  let state: Readiness = { ready: false, reasons: ['pod 1 is away'] };
  const admin = await startAdminServer({
    port: 0,
    host: '127.0.0.1',
    hostNames: ['ops.internal'],
    registry: createRegistry({}),
    readiness: () => state,
    routes: (path) => {
      if (path === '/hints') return (query) => ({ owner: query.get('owner') });
      if (path === '/broken') return () => Promise.reject(new Error('no'));
      return undefined;
    },
    paths: () => ['/hints', '/broken'],
    log,
  });
  const get = async (path: string, init?: RequestInit): Promise<[number, string]> => {
    const response = await fetch(`http://127.0.0.1:${admin.port}${path}`, init);
    return [response.status, await response.text()];
  };
  try {
    assert.deepEqual(await get('/healthz'), [200, 'ok\n']);
    const [status, body] = await get('/readyz');
    assert.equal(status, 503);
    assert.deepEqual(JSON.parse(body), state);
    state = { ready: true, reasons: [] };
    assert.equal((await get('/readyz'))[0], 200);
    const [, metrics] = await get('/metrics');
    assert.match(metrics, /^guildway_event_loop_delay_seconds\{quantile="0.99"\} /m);
    assert.match(metrics, /^process_cpu_user_seconds_total /m);
    assert.deepEqual(JSON.parse((await get('/hints?owner=2'))[1]), { owner: '2' });
    assert.equal((await get('/broken'))[0], 500);
    const [unknown, listed] = await get('/');
    assert.equal(unknown, 404);
    assert.deepEqual(JSON.parse(listed).paths, ['/healthz', '/readyz', '/metrics', '/hints', '/broken']);
    assert.equal((await get('/constructor'))[0], 404);
    const json = { 'content-type': 'application/json' };
    assert.equal((await get('/healthz', { method: 'POST', headers: json }))[0], 405);
    assert.equal((await get('/healthz', { method: 'POST', body: 'x' }))[0], 415);
    const { status: crossSite } = await ask(admin.port, 'POST', { ...json, origin: 'https://evil.example' });
    assert.equal(crossSite, 403, 'a page of another site changes nothing');
    assert.equal(
      (await ask(admin.port, 'GET', { host: '10.42.0.7:9090' })).status,
      200,
      'as probes and Prometheus ask',
    );
    assert.equal((await ask(admin.port, 'GET', { host: 'ops.internal:9090' })).status, 200);
    const rebound = await ask(admin.port, 'GET', { host: `evil.example:${admin.port}` });
    assert.equal(rebound.status, 403, 'a host name that another site points at this machine');
    assert.match(rebound.body, /evil\.example/);
  } finally {
    await admin.close();
  }
});

test('an action accepts a POST with JSON, and names what is wrong with a bad request', async () => {
  const done: unknown[] = [];
  const admin = await startAdminServer({
    port: 0,
    host: '127.0.0.1',
    hostNames: [],
    registry: createRegistry({}),
    readiness: () => ({ ready: true, reasons: [] }),
    routes: (path) => (path === '/hints' ? () => ({}) : undefined),
    actions: (path) => {
      if (path === '/broken') return () => Promise.reject(new Error('no'));
      if (path !== '/hints/drop') return undefined;
      return (body) => {
        if (body === null) throw new GuildwayError('REQUEST_INVALID', 'name one request');
        done.push(body);
        return { dropped: 1 };
      };
    },
    log,
  });
  const json = { 'content-type': 'application/json' };
  const post = async (path: string, body: string, headers: Record<string, string> = json) => {
    const response = await fetch(`http://127.0.0.1:${admin.port}${path}`, { method: 'POST', headers, body });
    return [response.status, await response.text()] as const;
  };
  try {
    const [status, body] = await post('/hints/drop', '{"identity":"stripe:evt_1"}');
    assert.deepEqual([status, JSON.parse(body), done], [200, { dropped: 1 }, [{ identity: 'stripe:evt_1' }]]);
    const [invalid, why] = await post('/hints/drop', 'null');
    assert.deepEqual([invalid, JSON.parse(why)], [400, { error: 'name one request' }]);
    for (const wrong of ['', '{', `"${'x'.repeat(70_000)}"`]) {
      assert.equal((await post('/hints/drop', wrong))[0], 400, wrong.slice(0, 10));
    }
    assert.equal((await post('/broken', '{}'))[0], 500);
    assert.equal((await post('/hints', '{}'))[0], 405);
    assert.equal((await post('/nothing', '{}'))[0], 405);
    assert.equal((await post('/hints/drop', '{}', { 'content-type': 'text/plain' }))[0], 415);
    assert.equal((await post('/hints/drop', '{}', { ...json, origin: 'https://evil.example' }))[0], 403);
    const { status: read } = await fetch(`http://127.0.0.1:${admin.port}/hints/drop`);
    assert.equal(read, 404, 'a GET changes nothing');
    assert.equal(done.length, 1);
  } finally {
    await admin.close();
  }
});

test('a blocked event loop is detected by a single timer', async (t) => {
  const monitor = t.mock.method(perfHooks, 'monitorEventLoopDelay');
  syncBuiltinESMExports();
  const registry = createRegistry({});
  const wakeUps = monitor.mock.calls.map(({ arguments: [options] }) => 1_000 / (options?.resolution ?? 10));
  assert.equal(wakeUps.length, 2, 'of this project and of prom-client');
  assert.ok(wakeUps.reduce((sum, perSecond) => sum + perSecond) < 11, `${wakeUps} times a second`);
  const worst = async (): Promise<number> => {
    const line = /^guildway_event_loop_delay_seconds\{quantile="1"\} (.*)$/m.exec(await registry.metrics());
    return Number(line?.[1]);
  };
  let seen = 0;
  // The first tick has nothing to measure from.
  while (seen < 0.1) {
    await sleep(120);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250);
    await sleep(1);
    seen = await worst();
  }
  assert.ok(seen < 60, `${seen} s`);
  assert.doesNotMatch(await registry.metrics(), /^nodejs_eventloop_lag_(?!seconds)/m);
});

test('secrets under the usual names are redacted from logs', () => {
  let written = '';
  const sink = new Writable({
    write(chunk, _, done) {
      written += chunk;
      done();
    },
  });
  const options = { level: 'info', redact: [...REDACTED] };
  pino(options, sink).info(
    { token: 'hunter2', interaction: { token: 'hunter2' }, headers: { authorization: 'hunter2' } },
    'x',
  );
  assert.doesNotMatch(written, /hunter2/);
});
