// Of src/http/outbound/link-transport.ts.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { pino } from 'pino';
import { type GatewayRequest, type GatewayResponse, HEADER, headerValue } from '../../../../src/link/message.ts';
import { attachLinkServer } from '../../../../src/link/server.ts';
import { createTopology } from '../../../../src/routing/topology.ts';
import {
  type HttpUnderTest,
  signedHeaders,
  startHttp,
  startLinkPod,
  startPlainPod,
} from '../../../support/http-service.ts';

// Gateway pods here use the real link over real sockets; each test chooses their responses.

const secret = 'the link secret of this test';
const id = '197038439483310086'; // owner 2 of 3
const env = {
  LINK_SECRET: secret,
  INTERACTION_BUDGET_MS: '1500',
  STAND_IN_RESERVE_MS: '700',
  REQUEST_TIMEOUT_MS: '800',
  RETRY_BASE_MS: '5',
};
const manifest = {
  name: 'test',
  routes: [{ path: '/all', guild: { from: 'all' as const } }],
  commands: {
    open: { ephemeral: false, deferrable: true, type: 5 as const },
    quiet: { ephemeral: true, deferrable: true, type: 5 as const },
    form: { ephemeral: false, deferrable: false, type: 5 as const },
  },
  components: { page: { ephemeral: false, deferrable: true, type: 6 as const } },
  modals: {},
};

type Answer = (request: GatewayRequest) => GatewayResponse | Promise<GatewayResponse>;
interface FakePod extends AsyncDisposable {
  readonly requests: GatewayRequest[];
  readonly hints: GatewayRequest[];
}

const json = (status: number, value: unknown, headers: string[] = []): GatewayResponse => ({
  status,
  headers: ['content-type', 'application/json', ...headers],
  body: Buffer.from(JSON.stringify(value)),
});

async function startPod(
  http: HttpUnderTest,
  ordinal: number,
  answer: Answer,
  hintStatus: number | Promise<number> = 201,
): Promise<FakePod> {
  const requests: GatewayRequest[] = [];
  const hints: GatewayRequest[] = [];
  const server = createServer();
  const link = attachLinkServer(server, {
    ...{
      ordinal,
      secret,
      manifest,
      heartbeatMs: 5_000,
      helloTimeoutMs: 1_000,
      maxInFlight: 1_000,
      log: pino({ level: 'silent' }),
    },
    topology: () => createTopology({ strategy: 'md5', pods: 3 }).toRecord(),
    async handler(request) {
      if (request.target.startsWith('/_guildway/hints/')) {
        hints.push(request);
        return { status: await hintStatus, headers: [], body: Buffer.alloc(0) };
      }
      requests.push(request);
      return answer(request);
    },
  });
  await new Promise<void>((resolve) => server.listen(http.gatewayPorts[ordinal], '127.0.0.1', resolve));
  return {
    requests,
    hints,
    async [Symbol.asyncDispose]() {
      link.close();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The failed first dial of a pod is repeated within half a second. */
async function linked(http: HttpUnderTest, ...ordinals: number[]): Promise<void> {
  for (const end = performance.now() + 30_000; performance.now() < end; ) {
    const { reasons } = http.service.readiness();
    if (ordinals.every((ordinal) => !reasons.some((reason) => reason.startsWith(`gateway pod ${ordinal} `)))) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`no link to ${ordinals}: ${http.service.readiness().reasons}`);
}

interface InteractionAnswer {
  readonly type: number;
  readonly data: { readonly content: string; readonly flags?: number };
}

let lastId = 1_000;
async function interact(
  http: HttpUnderTest,
  payload: Record<string, unknown>,
): Promise<{ status: number; body: InteractionAnswer; headers: Headers }> {
  const body = JSON.stringify({ id: String(++lastId), guild_id: id, token: 't', ...payload });
  const response = await fetch(`${http.url}/webhooks/discord`, { method: 'POST', headers: signedHeaders(body), body });
  return { status: response.status, body: (await response.json()) as InteractionAnswer, headers: response.headers };
}

const command = (name: string) => ({ type: 2, data: { name } });
const ok: Answer = () => json(200, { type: 4, data: { content: 'done' } });

test('a running owner responds', async () => {
  await using http = await startHttp({ env, manifest });
  await using owner = await startPod(http, 2, ok);
  await linked(http, 2);
  const { status, body, headers } = await interact(http, command('open'));
  assert.deepEqual([status, body], [200, { type: 4, data: { content: 'done' } }]);
  assert.equal(headers.get('guildway-pod'), '2');
  assert.equal(owner.requests[0]?.target, '/webhooks/discord');
});

test('while the owner is away, a stand-in has the interaction on disk before Discord gets a deferred response', async () => {
  await using http = await startHttp({ env, manifest });
  await using standIn = await startPod(http, 0, ok);
  await using other = await startPod(http, 1, ok);
  await linked(http, 0, 1);

  assert.deepEqual((await interact(http, command('open'))).body, { type: 5 });
  assert.deepEqual((await interact(http, command('quiet'))).body, { type: 5, data: { flags: 64 } });
  assert.deepEqual((await interact(http, { type: 3, data: { custom_id: 'page:2' } })).body, { type: 6 });
  assert.equal(standIn.hints.length, 3);
  assert.equal(other.hints.length, 0, 'the pod after the owner is the first choice');
  const [hint] = standIn.hints as [GatewayRequest];
  assert.equal(hint.method, 'PUT');
  assert.match(hint.target, /^\/_guildway\/hints\/interaction%3A\d+$/);
  assert.equal(headerValue(hint.headers, 'guildway-hint-owner'), '2');
  assert.equal(headerValue(hint.headers, 'guildway-hint-guild'), id);
  assert.equal(headerValue(hint.headers, 'guildway-hint-target'), '/webhooks/discord');
  assert.equal(headerValue(hint.headers, HEADER.deferred), '5');
  // A duration, as the two pods' clocks may differ.
  assert.equal(headerValue(hint.headers, 'guildway-hint-life-ms'), String(14.5 * 60_000));
  assert.equal(JSON.parse(hint.body.toString()).data.name, 'open');

  // A request that cannot be deferred gets an honest response, and is stored nowhere.
  assert.deepEqual((await interact(http, { type: 4, data: { name: 'open' } })).body, {
    type: 8,
    data: { choices: [] },
  });
  const refused = (await interact(http, command('form'))).body;
  assert.equal(refused.type, 4);
  assert.equal(refused.data.flags, 64);
  assert.match(refused.data.content, /Nothing was done/);
  assert.equal(standIn.hints.length, 3);
});

test('a stand-in that rejects a hint is skipped', async () => {
  await using http = await startHttp({ env, manifest });
  await using full = await startPod(http, 0, ok, 507);
  await using next = await startPod(http, 1, ok);
  await linked(http, 0, 1);
  assert.deepEqual((await interact(http, command('open'))).body, { type: 5 });
  assert.equal(full.hints.length, 1);
  assert.equal(next.hints.length, 1);
});

test('an interaction id that a stand-in has stored with a different body is rejected', async () => {
  await using http = await startHttp({ env, manifest });
  await using standIn = await startPod(http, 0, ok, 409);
  await using other = await startPod(http, 1, ok);
  await linked(http, 0, 1);
  assert.equal((await interact(http, command('open'))).status, 409);
  assert.deepEqual([standIn.hints.length, other.hints.length], [1, 0]);
});

test('a stand-in that hangs leaves time for the next', async () => {
  await using http = await startHttp({ env, manifest });
  await using _hangs = await startPod(http, 0, ok, new Promise<number>(() => {}));
  await using next = await startPod(http, 1, ok);
  await linked(http, 0, 1);
  assert.deepEqual((await interact(http, command('open'))).body, { type: 5 });
  assert.equal(next.hints.length, 1);
});

test('a hint is offered only to pods with a proven identity: any web server answers a PUT somehow', async () => {
  const asked: string[] = [];
  await using http = await startHttp({ env, manifest });
  await using _stranger = await startPlainPod(http.gatewayPorts[0] as number, (request, response) => {
    if (request.method === 'PUT') asked.push(request.url ?? '');
    response.writeHead(201).end();
  });
  await linked(http, 0);
  const { body } = await interact(http, command('open'));
  assert.match(body.data.content, /Nothing was done/);
  assert.deepEqual(asked, []);
});

test('when no pod can store the request, nothing is acknowledged', async () => {
  await using http = await startHttp({ env, manifest });
  await using _full = await startPod(http, 0, ok, 507);
  await linked(http, 0);
  const { body } = await interact(http, command('open'));
  assert.match(body.data.content, /Nothing was done/);
});

test('with all gateway pods down, every client gets an error in time, and readiness says why', async () => {
  await using http = await startHttp({ env, manifest });
  const startedAt = performance.now();
  const { status, body } = await interact(http, command('open'));
  assert.equal(status, 200);
  assert.match(body.data.content, /Nothing was done/);
  assert.ok(performance.now() - startedAt < 2_900);
  const page = await fetch(`${http.url}/app/${id}`);
  assert.equal(page.status, 503);
  assert.ok(page.headers.has('retry-after'));
  const readiness = http.service.readiness();
  assert.equal(readiness.ready, false);
  assert.equal(readiness.reasons.length, 3);
  assert.match(readiness.reasons[0] ?? '', /gateway pod 0 at http.* is not reachable/);
});

test('a live but slow owner: the interaction is deferred and stored where it can be delivered from', async () => {
  await using http = await startHttp({ env, manifest });
  await using owner = await startPod(http, 2, () => new Promise(() => {}));
  await linked(http, 2);
  const { body } = await interact(http, command('open'));
  assert.deepEqual(body, { type: 5 });
  assert.equal(owner.hints.length, 1, 'no other pod is up: the owner itself stores it');
  const slow = await interact(http, command('form'));
  assert.match(slow.body.data.content, /may have done/, 'it was sent, so its outcome is unknown');
});

test('a redirect is followed; pods that point at each other end it, naming both sides', async () => {
  await using http = await startHttp({ env, manifest });
  const misdirected = (owner: number) =>
    json(421, { error: 'not mine' }, [HEADER.owner, String(owner), HEADER.epoch, '2']);
  let pointBack = false;
  await using two = await startPod(http, 2, () => misdirected(1));
  await using one = await startPod(http, 1, () => (pointBack ? misdirected(2) : json(200, { here: true })));
  await linked(http, 1, 2);
  const followed = await fetch(`${http.url}/app/${id}`);
  assert.equal(followed.headers.get('guildway-pod'), '1');
  assert.deepEqual(await followed.json(), { here: true });

  pointBack = true;
  const before = one.requests.length + two.requests.length;
  const looping = await fetch(`${http.url}/app/${id}`, { method: 'POST' });
  assert.equal(looping.status, 502);
  assert.match(((await looping.json()) as { error: string }).error, /names pod 1.*md5\/3 epoch 1.*NUM_GATEWAY_PODS/);
  const hops = one.requests.length + two.requests.length - before;
  // The owner again, on the path that can follow a redirect, and then the pod that it named.
  assert.ok(hops <= 3, `${hops} hops`);
});

test('a request that may have been executed is never repeated silently', async () => {
  await using http = await startHttp({ env, manifest });
  await using owner = await startPod(http, 2, () => new Promise(() => {}));
  await linked(http, 2);
  const post = await fetch(`${http.url}/api/guilds/${id}/notes`, { method: 'POST', body: 'x' });
  assert.equal(post.status, 502);
  assert.match(((await post.json()) as { error: string }).error, /may have been carried out/);
  assert.equal(owner.requests.length, 1);
});

test('a POST that was never sent is retried; one with an Idempotency-Key even after it was sent', async () => {
  await using http = await startHttp({
    env: { ...env, REQUEST_TIMEOUT_MS: '3000', BREAKER_FAILURES: '1000' },
    manifest,
  });
  const early = fetch(`${http.url}/api/guilds/${id}/notes`, { method: 'POST', body: 'x' });
  await using owner = await startPod(http, 2, (request) =>
    headerValue(request.headers, 'idempotency-key') !== undefined && owner.requests.length < 3
      ? { status: 200, headers: ['x-bad', '\u0100'], body: Buffer.alloc(0) }
      : json(200, { ok: true }),
  );
  assert.equal((await early).status, 200);
  assert.equal(owner.requests.length, 1);
});

test("Stripe's webhook is stored and acknowledged if its signature was verified, else repeated by Stripe", async () => {
  const body = JSON.stringify({ id: 'evt_1', data: { object: { metadata: { guild_id: id } } } });
  const at = Math.floor(Date.now() / 1_000);
  const signature = (key: string) => `t=${at},v1=${createHmac('sha256', key).update(`${at}.${body}`).digest('hex')}`;
  const send = (http: HttpUnderTest, header: string) =>
    fetch(`${http.url}/webhooks/stripe`, { method: 'POST', body, headers: { 'stripe-signature': header } });
  {
    await using http = await startHttp({ env: { ...env, STRIPE_WEBHOOK_SECRET: 'whsec_test' }, manifest });
    await using standIn = await startPod(http, 0, ok);
    await linked(http, 0);
    assert.equal((await send(http, signature('wrong'))).status, 400);
    assert.equal(standIn.hints.length, 0);
    assert.equal((await send(http, signature('whsec_test'))).status, 200);
    assert.equal(standIn.hints[0]?.target, '/_guildway/hints/stripe%3Aevt_1');
    assert.equal(standIn.hints[0]?.body.toString(), body);
  }
  await using http = await startHttp({ env, manifest });
  await using standIn = await startPod(http, 0, ok);
  await linked(http, 0);
  assert.equal((await send(http, 'x')).status, 503);
  assert.equal(standIn.hints.length, 0);
});

test('only a verified Stripe event is marked as verified', async () => {
  const body = JSON.stringify({ id: 'evt_1', data: { object: { metadata: { guild_id: id } } } });
  const at = Math.floor(Date.now() / 1_000);
  const mac = createHmac('sha256', 'whsec_test').update(`${at}.${body}`).digest('hex');
  for (const [secret, verified] of [
    [{}, undefined],
    [{ STRIPE_WEBHOOK_SECRET: 'whsec_test' }, 'stripe'],
  ] as const) {
    await using http = await startHttp({ env: { ...env, ...secret }, manifest, gatewayPods: 1 });
    let seen: string | undefined = 'nothing';
    await using _owner = await startLinkPod(http, 0, ({ headers }) => {
      seen = headerValue(headers, 'guildway-verified');
      return { status: 200, headers: [], body: Buffer.alloc(0) };
    });
    await linked(http, 0);
    const headers = { 'stripe-signature': `t=${at},v1=${mac}`, 'guildway-verified': 'stripe' };
    assert.equal((await fetch(`${http.url}/webhooks/stripe`, { method: 'POST', body, headers })).status, 200);
    assert.equal(seen, verified);
  }
});

test("Discord's event webhooks: PING is answered, an event is stored and acknowledged", async () => {
  await using http = await startHttp({ env, manifest });
  await using standIn = await startPod(http, 0, ok);
  await linked(http, 0);
  const send = async (payload: unknown, headers?: Record<string, string>) => {
    const body = JSON.stringify(payload);
    const response = await fetch(`${http.url}/webhooks/discord-events`, {
      method: 'POST',
      body,
      headers: headers ?? signedHeaders(body),
    });
    return [response.status, await response.text()];
  };
  assert.deepEqual(await send({ version: 1, type: 0 }), [204, '']);
  const event = { version: 1, type: 1, event: { type: 'ENTITLEMENT_CREATE', data: { guild_id: id } } };
  assert.deepEqual(await send(event), [204, '']);
  assert.equal(headerValue(standIn.hints[0]?.headers ?? [], 'guildway-hint-guild'), id);
  assert.equal((await send(event, { 'content-type': 'application/json' }))[0], 401);
  assert.equal((await send(event, signedHeaders('another body')))[0], 401);
  assert.equal((await send({ version: 1, type: 0 }, signedHeaders('another body')))[0], 401);
  assert.equal(standIn.hints.length, 1);
});

test('the response to a request to all pods names the pods that did not respond', async () => {
  await using http = await startHttp({ env, manifest });
  await using _zero = await startPod(http, 0, () => json(200, { guilds: 3 }));
  await using _two = await startPod(http, 2, () => json(200, { guilds: 5 }));
  await linked(http, 0, 2);
  const response = await fetch(`${http.url}/all`);
  assert.equal(response.status, 200);
  const { answers, missing } = (await response.json()) as { answers: unknown; missing: { pod: number }[] };
  assert.deepEqual(answers, { 0: { guilds: 3 }, 2: { guilds: 5 } });
  assert.deepEqual(
    missing.map(({ pod }) => pod),
    [1],
  );
});

test('an owner that fails every request: retries stay a fifth of live requests', async () => {
  let arrived = 0;
  const server = createServer((request) => {
    arrived++;
    request.socket.destroy();
  });
  await using plain = await startHttp({
    gatewayPods: 1,
    env: { BREAKER_FAILURES: '1000', RETRY_BASE_MS: '1' },
    manifest,
  });
  await new Promise<void>((resolve) => server.listen(plain.gatewayPorts[0], '127.0.0.1', resolve));
  const requests = 300;
  for (let i = 0; i < requests; i += 20) {
    await Promise.all(Array.from({ length: 20 }, async () => (await fetch(`${plain.url}/app/${id}`)).status));
  }
  const retries = arrived - requests;
  // A fifth, plus the ten that are always allowed.
  assert.ok(retries <= requests * 0.2 + 10, `${retries} retries of ${requests} requests`);
  assert.ok(retries > 10, `${retries} retries of ${requests} requests: live requests earn them`);
  server.close();
});
