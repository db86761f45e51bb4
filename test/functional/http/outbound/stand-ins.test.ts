// While an owner is away, an HTTP pod tells clients and stand-ins exactly what it knows.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { HEADER, HINT_HEADER, headerValue } from '../../../../src/protocol/headers.ts';
import type { GatewayRequest, GatewayResponse } from '../../../../src/protocol/message.ts';
import {
  type HttpUnderTest,
  signedHeaders,
  startHttp,
  startLinkPod,
  startPlainPod,
} from '../../../support/http-service.ts';
import { until } from '../../../support/wait.ts';

const id = '197038439483310086'; // owner 2 of 3
const env = {
  LINK_SECRET: 'the link secret of this test',
  INTERACTION_BUDGET_MS: '1500',
  STAND_IN_RESERVE_MS: '1000',
  REQUEST_TIMEOUT_MS: '2000',
  RETRY_BASE_MS: '5',
  STRIPE_WEBHOOK_SECRET: 'whsec_test',
};
/** The pods of these tests report no commands in their handshake, so late responses must be ephemeral. */
const DEFERRED = '{"type":5,"data":{"flags":64}}';

type Answer = (request: GatewayRequest) => GatewayResponse | Promise<GatewayResponse>;
const status = (code: number, headers: string[] = []): GatewayResponse => ({
  status: code,
  headers,
  body: Buffer.from('{"type":4}'),
});
const never: Answer = () => new Promise(() => {});

/** An HTTP pod whose gateway pods have the given responses. An ordinal without a response is away. */
async function setUp(answers: Record<number, Answer>, options: Parameters<typeof startHttp>[0] = {}) {
  const stack = new AsyncDisposableStack();
  const http = stack.use(await startHttp({ env, ...options }));
  const requests: Record<number, GatewayRequest[]> = { 0: [], 1: [], 2: [] };
  for (const [ordinal, answer] of Object.entries(answers)) {
    const note: Answer = (request) => {
      requests[Number(ordinal)]?.push(request);
      return answer(request);
    };
    stack.use(await startLinkPod(http, Number(ordinal), note));
  }
  await until('the links', () => http.service.readiness().reasons.length === 3 - Object.keys(answers).length);
  const hints = (ordinal: number) =>
    (requests[ordinal] ?? []).filter(({ target }) => target.startsWith('/_guildway/hints/'));
  return { http, hints, requests, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

let lastId = 5_000;
async function interact(http: HttpUnderTest): Promise<{ status: number; text: string }> {
  const body = JSON.stringify({ id: String(++lastId), guild_id: id, token: 't', type: 2, data: { name: 'open' } });
  const response = await fetch(`${http.url}/webhooks/discord`, { method: 'POST', headers: signedHeaders(body), body });
  return { status: response.status, text: await response.text() };
}

async function sendStripe(http: HttpUnderTest): Promise<number> {
  const body = JSON.stringify({ id: `evt_${++lastId}`, data: { object: { metadata: { guild_id: id } } } });
  const at = Math.floor(Date.now() / 1_000);
  const mac = createHmac('sha256', env.STRIPE_WEBHOOK_SECRET).update(`${at}.${body}`).digest('hex');
  const headers = { 'stripe-signature': `t=${at},v1=${mac}` };
  return (await fetch(`${http.url}/webhooks/stripe`, { method: 'POST', headers, body })).status;
}

async function sendEvent(http: HttpUnderTest): Promise<number> {
  const event = { type: 'ENTITLEMENT_CREATE', data: { guild_id: id, n: ++lastId } };
  const body = JSON.stringify({ version: 1, type: 1, event });
  const headers = signedHeaders(body);
  return (await fetch(`${http.url}/webhooks/discord-events`, { method: 'POST', headers, body })).status;
}

/** The response to an interaction, and the statuses that Stripe and Discord get for an event. */
const askAll = (http: HttpUnderTest): Promise<[string, number, number]> =>
  Promise.all([interact(http).then(({ text }) => text), sendStripe(http), sendEvent(http)]);

test('a stand-in learns whether the owner may have seen the request', async () => {
  const sent = ({ headers }: GatewayRequest): string | undefined => headerValue(headers, HINT_HEADER.sent);
  const cases: [string, Answer | null, string][] = [
    ['it is away', null, '0'],
    ['it does not answer', never, '1'],
    ['it failed', () => status(500, [HEADER.failure, 'its disk']), '1'],
    ['it refused', () => status(503, [HEADER.refusal, 'it is shutting down']), '0'],
  ];
  for (const [what, owner, expected] of cases) {
    await using pods = await setUp({ 0: () => status(201), ...(owner === null ? {} : { 2: owner }) });
    assert.deepEqual(await askAll(pods.http), [DEFERRED, 200, 204], what);
    assert.deepEqual(pods.hints(0).map(sent), [expected, expected, expected], what);
    assert.equal(pods.hints(2).length, 0, 'the owner itself comes last');
  }
});

test('an interaction is kept as long as its token lives, a webhook for three days', async () => {
  await using pods = await setUp({ 0: () => status(201) });
  await askAll(pods.http);
  const lives = pods.hints(0).map(({ headers }) => Number(headerValue(headers, HINT_HEADER.lifeMs)));
  const minutes = lives.map((ms) => ms / 60_000).toSorted((a, b) => a - b);
  assert.deepEqual(minutes, [14.5, 3 * 24 * 60, 3 * 24 * 60]);
});

test('a request counts as stored only when a pod confirms that it is on disk', async () => {
  for (const refusal of [400, 404, 423, 503, 507]) {
    await using pods = await setUp({ 0: () => status(refusal) });
    const [interaction, ...webhooks] = await askAll(pods.http);
    assert.match(String(interaction), /Nothing was done/, String(refusal));
    assert.deepEqual(webhooks, [503, 503], String(refusal));
  }
  await using pods = await setUp({ 0: () => status(200) });
  assert.equal((await interact(pods.http)).text, DEFERRED, 'it had it before');
});

test('a stand-in that does not answer may have stored the request: the response neither acknowledges it nor denies it', async () => {
  await using pods = await setUp({ 0: never });
  const [interaction, ...webhooks] = await askAll(pods.http);
  assert.match(String(interaction), /may have done/);
  assert.deepEqual(webhooks, [503, 503]);
  assert.equal(pods.hints(0).length, 3);
});

test('a webhook that a stand-in has stored with a different body is not acknowledged', async () => {
  await using pods = await setUp({ 0: () => status(409) });
  assert.deepEqual((await askAll(pods.http)).slice(1), [503, 503]);
});

test('the running pods, which may run another version of the bot, decide whether a late response is ephemeral', async () => {
  const open = { ephemeral: false, deferrable: false, type: 5 as const };
  await using pods = await setUp({ 0: () => status(201) }, { manifest: { commands: { open } } });
  assert.equal((await interact(pods.http)).text, DEFERRED);
});

test('a plain HTTP server gets an interaction only once: it could execute it twice', async () => {
  const { LINK_SECRET: _, ...plain } = env;
  await using http = await startHttp({ gatewayPods: 1, env: plain });
  let received = 0;
  await using _pod = await startPlainPod(http.gatewayPorts[0] as number, (request) => {
    received++;
    request.socket.destroy();
  });
  assert.match((await interact(http)).text, /may have done/);
  assert.equal(received, 1);
});

test('a request is not sent after its client disconnected', async () => {
  await using http = await startHttp({
    gatewayPods: 1,
    env: { ...env, REQUEST_TIMEOUT_MS: '20000', BREAKER_FAILURES: '1000' },
  });
  const client = new AbortController();
  const gone = fetch(`${http.url}/app/${id}/gone`, { method: 'POST', body: 'x', signal: client.signal });
  const stays = fetch(`${http.url}/app/${id}/stays`, { method: 'POST', body: 'x' });
  // Responses that arrive later were read later: this service runs in the test's own process.
  const inOrder = async (): Promise<void> => {
    for (let i = 0; i < 3; i++) assert.equal((await fetch(`${http.url}/app/0`)).status, 400);
  };
  await inOrder();
  client.abort();
  await assert.rejects(gone);
  await inOrder();
  const targets: string[] = [];
  await using _pod = await startLinkPod(http, 0, ({ target }) => {
    targets.push(target);
    return status(200);
  });
  assert.equal((await stays).status, 200);
  await fetch(`${http.url}/app/${id}/later`);
  assert.deepEqual(targets, [`/app/${id}/stays`, `/app/${id}/later`]);
});

test('a pod that has just proved its identity gets requests immediately, whatever its breaker has seen', async () => {
  const lasting = { BREAKER_FAILURES: '1', BREAKER_OPEN_MS: '60000', REQUEST_TIMEOUT_MS: '400' };
  await using http = await startHttp({ gatewayPods: 1, env: { ...env, ...lasting } });
  assert.equal((await fetch(`${http.url}/app/${id}`)).status, 503);
  await using _pod = await startLinkPod(http, 0, () => status(200));
  await until('the link', () => http.service.readiness().ready);
  assert.equal((await fetch(`${http.url}/app/${id}`)).status, 200);
});

test('any unsafe method is sent only once if the outcome is unknown', async () => {
  await using http = await startHttp({ gatewayPods: 1, env: { RETRY_BASE_MS: '5' } });
  const received: string[] = [];
  await using _pod = await startPlainPod(http.gatewayPorts[0] as number, (request) => {
    received.push(request.method as string);
    request.socket.destroy();
  });
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    const response = await fetch(`${http.url}/app/${id}`, { method, body: 'x' });
    assert.equal(response.status, 502, method);
    assert.match(await response.text(), /may have been carried out/);
  }
  assert.deepEqual(received, ['POST', 'PUT', 'PATCH', 'DELETE']);
});

test('a pod that fails several times in a row gets no requests for a while', async () => {
  const breaker = { BREAKER_FAILURES: '3', BREAKER_OPEN_MS: '60000', REQUEST_TIMEOUT_MS: '100' };
  await using http = await startHttp({ gatewayPods: 1, env: { ...env, ...breaker } });
  let received = 0;
  await using _pod = await startLinkPod(http, 0, () => {
    received++;
    return new Promise(() => {});
  });
  await until('the link', () => http.service.readiness().ready);
  for (let i = 0; i < 6; i++) assert.equal((await fetch(`${http.url}/app/${id}`)).status, 503);
  assert.equal(received, 3);
});

test('an interaction refused over plain HTTP is retried until the pod accepts it', async () => {
  const { LINK_SECRET: _, ...plain } = env;
  await using http = await startHttp({ gatewayPods: 1, env: plain });
  let received = 0;
  await using _pod = await startPlainPod(http.gatewayPorts[0] as number, (_request, response) => {
    if (++received <= 2) response.writeHead(503, { [HEADER.refusal]: 'it is starting' }).end();
    else response.end('{"type":4}');
  });
  assert.equal((await interact(http)).text, '{"type":4}');
});
