/** Rarely tested requests of clients, browsers, proxies and load balancers: served according to the standards, or rejected. */
// Of src/http/inbound/pipeline-turns.ts.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { type GatewayPod, startGatewayPod } from '../../../support/gateway-pod.ts';
import { type HttpUnderTest, signedHeaders, startHttp } from '../../../support/http-service.ts';
import { raw as rawTo } from '../../../support/raw.ts';
import { until } from '../../../support/wait.ts';

const GUILD = '197038439483310086'; // owner 2 of 3
const SECRET = 'a secret of the test cluster';
const STRIPE_SECRET = 'whsec_of_this_test';

/** One real gateway pod behind one HTTP pod, and the requests that its bot received. */
let http: HttpUnderTest;
let pod: GatewayPod;
let seen: { method: string; url: URL; headers: Headers; body: string; guildId: string | null }[] = [];

before(async () => {
  http = await startHttp({
    gatewayPods: 1,
    env: { LINK_SECRET: SECRET, STRIPE_WEBHOOK_SECRET: STRIPE_SECRET, BREAKER_FAILURES: '1', RETRY_BASE_MS: '1' },
  });
  pod = await startGatewayPod({
    env: { PORT: String(http.gatewayPorts[0]) },
    bot: {
      async fetch(request, context) {
        const url = new URL(request.url);
        const body = await request.text();
        seen.push({ method: request.method, url, headers: request.headers, body, guildId: context.guildId });
        const status = Number(url.searchParams.get('status') ?? 200);
        return new Response(`${request.method} ${body}`, { status });
      },
    },
  });
  await until('the link', () => http.service.readiness().reasons.length === 0);
});
after(async () => {
  await http[Symbol.asyncDispose]();
  await pod[Symbol.asyncDispose]();
});

const raw = (bytes: string): Promise<string> => rawTo(bytes, http.port);
const close = 'Host: bot.example\r\nConnection: close\r\n\r\n';
const statusOf = (answer: string): string => answer.split(' ', 2)[1] ?? answer;
const breakerIsClosed = async (of = http): Promise<boolean> =>
  /^guildway_breaker_state\{pod="0"\} 0$/m.test(await of.registry.metrics());

function stripe(payload: unknown, path = '/webhooks/stripe'): Promise<Response> {
  const body = JSON.stringify(payload);
  const at = Math.floor(Date.now() / 1_000);
  const v1 = createHmac('sha256', STRIPE_SECRET).update(`${at}.${body}`).digest('hex');
  return fetch(http.url + path, { method: 'POST', body, headers: { 'stripe-signature': `t=${at},v1=${v1}` } });
}

test('a webhook accepts only POST at both services: an unverified request runs no handler and uses no event id', async () => {
  seen = [];
  const body = JSON.stringify({ id: 'evt_method', data: { object: { metadata: { guild_id: GUILD } } } });
  for (const path of ['/webhooks/stripe', '/webhooks/discord', '/webhooks/discord-events']) {
    for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY']) {
      const init = method === 'GET' || method === 'HEAD' ? { method } : { method, body };
      const response = await fetch(http.url + path, init);
      assert.deepEqual([response.status, response.headers.get('allow')], [405, 'POST'], `${method} ${path}`);
      const asked = await pod.ask(method, path, { body });
      assert.deepEqual([asked.status, asked.header('allow')], [405, 'POST'], `${method} ${path} at the gateway pod`);
    }
  }
  assert.deepEqual(seen, []);
  assert.equal((await stripe(JSON.parse(body))).status, 200, 'the genuine event');
  assert.equal(seen.length, 1);
});

test('no variant of a verified path reaches the bot unverified', async () => {
  seen = [];
  const body = '{"id":"evt_disguise"}';
  for (const path of [
    ...['/webhooks/stripe#x', '/webhooks/stripe;x', '//webhooks/stripe', '/webhooks//stripe', '/webhooks/stripe/'],
    ...['/Webhooks/STRIPE', '/%77ebhooks/stripe', '/webhooks%2fstripe', '/webhooks\\stripe', '/x/../webhooks/stripe'],
    ...['/x/..;/webhooks/stripe', '/webhooks/stripe%00', '/webhooks/stripe%23', 'http://bot.example/webhooks/stripe'],
    ...[
      '/webhooks/discord#x',
      '/webhooks/discord/',
      '/WEBHOOKS/discord-events',
      '/_guildway/state',
      '/_Guildway/state',
    ],
  ]) {
    for (const method of ['POST', 'PUT', 'GET']) {
      const status = statusOf(
        await raw(`${method} ${path} HTTP/1.1\r\nContent-Length: ${body.length}\r\n${close}${body}`),
      );
      assert.match(status, /^(?:400|401|404|405)$/, `${method} ${path}: ${status}`);
    }
  }
  assert.deepEqual(seen, []);
  // A gateway pod normalizes targets in the same way.
  for (const path of ['/webhooks/stripe#x', '/webhooks%2fstripe', '/webhooks\\stripe', '/x/../webhooks/stripe']) {
    assert.equal((await pod.ask('POST', path, { body })).status, 400, path);
  }
  assert.deepEqual(seen, []);
});

test('repeated Host headers and other client mistakes get 400 and count against no pod', async () => {
  seen = [];
  for (const accept of ['text/event-stream', '*/*']) {
    for (const host of [
      'Host: a.example\r\nHost: b.example\r\n',
      'Host: a.example\r\nhost: a.example\r\n',
      'Host: a b\r\n',
      'Host: a:99999\r\n',
      'Host: 999.1.1.1\r\n',
      'Host: a.example/x\r\n',
      'Host: u@a.example\r\n',
      '',
    ]) {
      const answer = await raw(`GET /app/${GUILD} HTTP/1.1\r\n${host}Accept: ${accept}\r\n\r\n`);
      assert.equal(statusOf(answer), '400', `${host}${accept}`);
      assert.match(answer, /connection: close/i);
    }
  }
  assert.deepEqual(seen, []);
  assert.ok(await breakerIsClosed());
});

test('an upload aborted by its client does not count as a failure of the pod', async () => {
  for (let i = 0; i < 5; i++) {
    const socket = connect(http.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(`POST /app/${GUILD} HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\n${'x'.repeat(300_000)}`);
    await once(socket, 'connect');
    await new Promise((resolve) => setTimeout(resolve, 20));
    socket.resetAndDestroy();
  }
  assert.equal(await (await fetch(`${http.url}/app/${GUILD}`)).text(), 'GET ');
  assert.ok(await breakerIsClosed());
});

test('proxy variants: lists in X-Forwarded-*, Forwarded, HTTP/1.0 without Host, absolute-form, a trailing slash', async () => {
  seen = [];
  const get = (line: string, fields = '') => raw(`GET ${line}\r\n${fields}Connection: close\r\n\r\n`);
  const urls: [line: string, fields: string, url: string][] = [
    [`/app/${GUILD} HTTP/1.1`, 'Host: a.example\r\n', `http://a.example/app/${GUILD}`],
    [
      `/app/${GUILD} HTTP/1.1`,
      'Host: x\r\nX-Forwarded-Host: a.example, b.example\r\nX-Forwarded-Proto: https,http\r\n',
      `https://a.example/app/${GUILD}`,
    ],
    [
      `/app/${GUILD} HTTP/1.1`,
      'Host: x\r\nForwarded: for=1.2.3.4;proto=https;host=a.example, for=10.0.0.1\r\n',
      `https://a.example/app/${GUILD}`,
    ],
    [`/app/${GUILD} HTTP/1.0`, '', `http://localhost/app/${GUILD}`],
    [`http://a.example/app/${GUILD}?x=1 HTTP/1.1`, 'Host: other\r\n', `http://a.example/app/${GUILD}?x=1`],
    [`//app/${GUILD}/%7Ex HTTP/1.1`, 'Host: a.example\r\n', `http://a.example/app/${GUILD}/~x`],
  ];
  for (const [line, fields, url] of urls) {
    assert.equal(statusOf(await get(line, fields)), '200', line);
    assert.equal(seen.at(-1)?.url.href, url, line);
    assert.equal(seen.at(-1)?.guildId, GUILD);
  }
  // A webhook in each of these forms is verified and answered as the webhook.
  const ping = '{"type":1}';
  const signed = Object.entries(signedHeaders(ping))
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  for (const target of ['http://bot.example/webhooks/discord', '/webhooks/discord/', '/webhooks/discord?x']) {
    const answer = await raw(`POST ${target} HTTP/1.1\r\n${signed}Content-Length: ${ping.length}\r\n${close}${ping}`);
    assert.match(answer, /^HTTP\/1\.1 200 [\s\S]*\{"type":1\}$/, target);
    assert.equal(statusOf(await raw(`POST ${target} HTTP/1.1\r\nContent-Length: 0\r\n${close}`)), '401', target);
  }
});

test("Stripe's events get 2xx, whatever ids their fields contain", async () => {
  seen = [];
  const objects: [object: unknown, guildId: string | null][] = [
    [{ client_reference_id: 'cart_42' }, null],
    [{ metadata: { guild_id: '' } }, null],
    [{ metadata: { guild_id: '7' }, client_reference_id: GUILD }, GUILD],
    [{ parent: { subscription_details: { metadata: { guild_id: GUILD } } } }, GUILD],
    [null, null],
  ];
  for (const [i, [object, guildId]] of objects.entries()) {
    const response = await stripe(
      { id: `evt_ids_${i}`, data: { object } },
      i % 2 === 0 ? undefined : '/webhooks/stripe/',
    );
    assert.equal(response.status, 200, JSON.stringify(object));
    assert.equal(seen.at(-1)?.guildId, guildId, JSON.stringify(object));
  }
});

test("a bot's own status reaches the client", async () => {
  for (const status of [401, 410, 421, 429, 500, 503]) {
    for (const accept of ['*/*', 'text/event-stream']) {
      const response = await fetch(`${http.url}/app/${GUILD}?status=${status}`, { headers: { accept } });
      assert.deepEqual([response.status, await response.text()], [status, 'GET '], accept);
    }
  }
  assert.ok(await breakerIsClosed());
});

test('an unsupported Upgrade is ignored, and later requests on the connection are answered correctly', async () => {
  seen = [];
  const one = await raw(
    `GET /app/${GUILD}?n=1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n` +
      `POST /app/${GUILD}?n=2 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nGET /app/${GUILD}?n=3 HTTP/1.1\r\nHost: a\r\n\r\n`,
  );
  assert.match(one, /^HTTP\/1\.1 200 [\s\S]*connection: close/i);
  assert.equal(one.split('HTTP/1.1 ').length, 2, 'one response, and the end');
  assert.deepEqual(
    seen.map(({ url }) => url.search),
    ['?n=1'],
  );

  const post = await raw(
    `POST /app/${GUILD} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello`,
  );
  assert.match(post, /^HTTP\/1\.1 200 [\s\S]*POST hello$/);
});

test('headers named by Connection are removed, on any line; headers for the owner stay', async () => {
  seen = [];
  const answer = await raw(
    `POST /app/${GUILD} HTTP/1.1\r\nHost: a\r\nConnection: X-One\r\nX-One: 1\r\nConnection: idempotency-key, X-TWO, Cookie\r\n` +
      'X-Two: 2\r\nIdempotency-Key: key\r\nCookie: a=b\r\nCookie: c=d\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
  );
  assert.equal(statusOf(answer), '200');
  const { headers } = seen[0] as { headers: Headers };
  assert.deepEqual([headers.get('x-one'), headers.get('x-two')], [null, null]);
  assert.deepEqual([headers.get('idempotency-key'), headers.get('cookie')], ['key', 'a=b; c=d']);
});

/** A client that ignores the end of its connection. */
async function stubborn(port: number, bytes: string): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => {});
  socket.resume();
  socket.write(bytes);
  await once(socket, 'end');
  return socket;
}

test('a closing connection is closed in bounded time, even if the peer ignores it', async () => {
  const upgrade = (path: string, more = '') =>
    `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${more}\r\n`;
  const link =
    'GET /_guildway/link HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: guildway-link\r\nguildway-link-version: 99\r\n\r\n';
  const ended = [
    [http.port, upgrade('/webhooks/discord')],
    [http.port, upgrade('/app/01')],
    [http.port, upgrade(`/app/${GUILD}`)],
    [http.port, 'no HTTP\r\n\r\n'],
    [http.gatewayPorts[0] as number, upgrade('/')],
    [http.gatewayPorts[0] as number, link],
  ] as const;
  await Promise.all(
    ended.map(async ([port, bytes]) => {
      const socket = await stubborn(port, bytes);
      // A write to a connection that the peer has released fails.
      await until(`closed after ${bytes.slice(0, 40)}`, () => !socket.write('x') || socket.destroyed);
      socket.destroy();
    }),
  );
});

test('Expect: 100-continue is answered once the head is accepted; any other expectation gets 417', async () => {
  const ask = async (headers: Record<string, string>, path = `/app/${GUILD}`) => {
    const outgoing = httpRequest(http.url + path, { method: 'POST', headers: { 'content-length': '2', ...headers } });
    let continued = false;
    outgoing.on('continue', () => {
      continued = true;
      outgoing.end('ok');
    });
    outgoing.flushHeaders();
    const [response] = await once(outgoing, 'response');
    response.resume();
    outgoing.destroy();
    return [continued, response.statusCode];
  };
  assert.deepEqual(await ask({ expect: '100-continue' }), [true, 200]);
  assert.deepEqual(await ask({ expect: '100-continue' }, '/app/123'), [false, 404]);
  assert.deepEqual(await ask({ expect: 'wonders' }), [false, 417]);
});
