// What a gateway pod accepts, how long clients wait, and when it stops serving.
// Of src/gateway/dispatch/time-limit.ts.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { BotDefinition } from '../../../src/bot/types.ts';
import { HEADER } from '../../../src/protocol/headers.ts';
import { startGatewayPod } from '../../support/gateway-pod.ts';
import { NOTES, temporaryFolder } from '../../support/store.ts';
import { until } from '../../support/wait.ts';

const guild = '197038439483310086';
const page = `/app/${guild}`;
const notes: Partial<BotDefinition> = { tables: ['notes'], migrations: [NOTES] };
const insert = 'INSERT INTO notes (guild_id, text) VALUES (?, ?)';

test('a body is accepted up to exactly its limit, over either transport', async () => {
  const fetch: BotDefinition['fetch'] = async (request) => new Response(String((await request.text()).length));
  await using pod = await startGatewayPod({ bot: { fetch }, env: { MAX_BODY_BYTES: '2048' } });
  const fits = 'x'.repeat(2048);
  const key = () => ({ 'idempotency-key': String(Math.random()) });
  assert.equal((await pod.plain('POST', page, { body: fits })).status, 200);
  assert.equal((await pod.plain('POST', page, { body: fits, headers: key() })).status, 200);
  assert.equal((await pod.ask('POST', page, { body: fits, headers: ['idempotency-key', 'fits'] })).status, 200);
  assert.equal((await pod.plain('POST', page, { body: `${fits}x` })).status, 413);
  assert.equal((await pod.plain('POST', page, { body: `${fits}x`, headers: key() })).status, 413);
  assert.equal((await pod.ask('POST', page, { body: `${fits}x`, headers: ['idempotency-key', 'not'] })).status, 413);
  const webhook = ' '.repeat(1024 * 1024);
  assert.equal((await pod.plain('POST', '/webhooks/discord', { body: webhook })).status, 400, 'read, and no JSON');
  assert.equal((await pod.plain('POST', '/webhooks/discord', { body: `${webhook} ` })).status, 413);
});

test('a client gets a response soon after its deadline, however long the handler takes', async () => {
  await using pod = await startGatewayPod({ bot: { fetch: () => new Promise(() => {}) } });
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error('no answer within 15 s')), 15_000);
  const response = await Promise.race([
    pod.plain('GET', page, { headers: { [HEADER.deadlineMs]: '100' } }),
    late.promise,
  ]);
  clearTimeout(timer);
  assert.equal(response.status, 504);
});

test('only success is final: a failed request with an Idempotency-Key runs again, whatever its method', async () => {
  let runs = 0;
  let answer = 500;
  const fetch: BotDefinition['fetch'] = () => {
    runs++;
    return new Response(String(answer), { status: answer });
  };
  await using pod = await startGatewayPod({ bot: { fetch } });
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    const headers = ['idempotency-key', `k-${method}`];
    const statuses: number[] = [];
    runs = 0;
    for (answer of [500, 409, 201, 202]) statuses.push((await pod.ask(method, page, { headers })).status);
    assert.deepEqual([statuses, runs], [[500, 409, 201, 201], 3], method);
  }
  for (const key of ['', 'x'.repeat(256), 'caf\u00e9']) {
    const { status } = await pod.ask('POST', page, { headers: ['idempotency-key', key] });
    assert.equal(status, 400, JSON.stringify(key));
  }
});

test('a response without a status is a handler error', async () => {
  await using pod = await startGatewayPod({ bot: { fetch: () => Response.error() } });
  assert.equal((await pod.ask('GET', page)).status, 500);
  assert.equal((await pod.ask('POST', page, { headers: ['idempotency-key', 'k'] })).status, 500);
});

test("an invalid response is an error of the handler, and does not end another pod's connection", async () => {
  const read = new Response('read already');
  await read.text();
  const locked = new Response('being read');
  locked.body?.getReader();
  const answers: readonly unknown[] = [
    new Response('more headers than can be sent', { headers: { 'x-long': 'x'.repeat(62 * 1024) } }),
    ...[read, locked, undefined, 'text', {}, { status: 200 }, { status: 200, headers: {} }],
    ...[
      { status: 200, headers: {}, body: 'text' },
      { status: 200, headers: {}, body: Buffer.from('bytes') },
    ],
  ];
  const answerOf = (request: Request) => answers[Number(new URL(request.url).search.slice(1))] as Response;
  await using pod = await startGatewayPod({ bot: { fetch: answerOf } });
  for (const i of answers.keys()) {
    assert.equal((await pod.plain('GET', `${page}?${i}`)).status, 500, `plain HTTP, ${i}`);
    assert.equal((await pod.ask('GET', `${page}?${i}`)).status, 500, `the link, ${i}`);
  }
});

test('an event webhook whose handler failed is not acknowledged, and is handled once when it is repeated', async () => {
  let calls = 0;
  let rows = 0;
  const webhookEvents: BotDefinition['webhookEvents'] = {
    ENTITLEMENT_CREATE: (_, { transaction }) => {
      calls++;
      transaction((db) => {
        rows++;
        return db.run(insert, guild, 'x').changes;
      });
      if (calls === 1) throw new Error('not now');
    },
  };
  await using pod = await startGatewayPod({ bot: { ...notes, webhookEvents } });
  const event = { type: 'ENTITLEMENT_CREATE', data: { guild_id: guild } };
  const body = JSON.stringify({ version: 1, type: 1, event });
  const statuses: number[] = [];
  for (let i = 0; i < 3; i++) statuses.push((await pod.ask('POST', '/webhooks/discord-events', { body })).status);
  assert.deepEqual([statuses, calls, rows], [[500, 204, 204], 2, 1]);
});

test('a repeatable response is held in memory, up to 8 MiB', async () => {
  const fetch: BotDefinition['fetch'] = (request) =>
    new Response(Buffer.alloc(Number(new URL(request.url).search.slice(1))));
  await using pod = await startGatewayPod({ bot: { fetch } });
  const size = 8 * 1024 * 1024;
  const send = async (bytes: number) =>
    (await pod.plain('POST', `${page}?${bytes}`, { headers: { 'idempotency-key': String(bytes) } })).status;
  assert.deepEqual([await send(size), await send(size + 1)], [200, 500]);
});

test('an event that could not be recorded is not acknowledged, and not reported as a handler error', async () => {
  using folder = temporaryFolder();
  const webhookEvents: BotDefinition['webhookEvents'] = {
    ENTITLEMENT_CREATE: (_, { transaction }) => transaction((db) => void db.run(insert, guild, 'x')),
  };
  await using pod = await startGatewayPod({
    bot: { ...notes, webhookEvents },
    env: { DATABASE_PATH: folder.file('own') },
  });
  {
    using other = new DatabaseSync(folder.file('own'));
    other.exec('UPDATE guildway_meta SET incarnation = incarnation + 1');
  }
  const event = { type: 'ENTITLEMENT_CREATE', data: { guild_id: guild } };
  const body = JSON.stringify({ version: 1, type: 1, event });
  assert.equal((await pod.ask('POST', '/webhooks/discord-events', { body })).status, 503);
});

test('an interaction without a valid application id is rejected: the id becomes part of a URL', async () => {
  await using pod = await startGatewayPod({ bot: {} });
  const send = async (application: unknown) => {
    const interaction = {
      id: '1',
      type: 2,
      token: 't',
      guild_id: guild,
      data: { name: 'x' },
      application_id: application,
    };
    return (await pod.ask('POST', '/webhooks/discord', { body: JSON.stringify(interaction) })).status;
  };
  for (const application of [undefined, '', '../1', '1/x', 7]) assert.equal(await send(application), 400);
  assert.equal(await send('1'), 200);
});

test('a pod that has lost its database stops serving, is not ready, and says that nothing was done', async () => {
  using folder = temporaryFolder();
  const fetch: BotDefinition['fetch'] = (request, { transaction }) => {
    if (request.method === 'POST') transaction((db) => db.run(insert, guild, 'x').changes);
    return new Response('page');
  };
  await using pod = await startGatewayPod({ bot: { ...notes, fetch }, env: { DATABASE_PATH: folder.file('own') } });
  assert.equal((await pod.ask('GET', page)).status, 200);
  {
    using other = new DatabaseSync(folder.file('own'));
    other.exec('UPDATE guildway_meta SET incarnation = incarnation + 1');
  }
  assert.equal((await pod.ask('POST', page)).status, 503);
  assert.equal(pod.service.readiness().ready, false);
  assert.match(pod.service.readiness().reasons.join(), /no longer owns its database/);
  for (const method of ['GET', 'POST']) {
    const refused = await pod.ask(method, page);
    assert.equal(refused.status, 503);
    assert.match(refused.header(HEADER.refusal) ?? '', /no longer owns its database/, 'it may be sent again');
  }
});

test('a start that fails to bind its port releases the database', async (t) => {
  using folder = temporaryFolder();
  const busy = createServer().listen(0, '127.0.0.1');
  t.after(() => busy.close());
  await once(busy, 'listening');
  const { port } = busy.address() as { port: number };
  const env = { DATABASE_PATH: folder.file('own') };
  await assert.rejects(startGatewayPod({ bot: {}, env: { ...env, PORT: String(port) } }), { code: 'CONFIG_INVALID' });
  await using pod = await startGatewayPod({ bot: {}, env });
  assert.ok(pod.service.readiness().ready);
});

test('a running pod deletes expired records', async (t) => {
  using folder = temporaryFolder();
  t.mock.timers.enable({ apis: ['setInterval'] });
  await using _pod = await startGatewayPod({ bot: {}, env: { DATABASE_PATH: folder.file('own') } });
  using other = new DatabaseSync(folder.file('own'));
  const future = Date.now() + 3_600_000;
  other.exec(`INSERT INTO guildway_ledger (identity, step, body_hash, value, expires_at)
    VALUES ('key:old', 0, 'x', '1', 1), ('key:new', 0, 'x', '1', ${future})`);
  t.mock.timers.tick(5_000);
  const left = () => other.prepare('SELECT identity FROM guildway_ledger').all();
  await until('it has looked', () => left().length === 1);
  assert.equal(left()[0]?.identity, 'key:new');
});
