// Hints: taken, delivered in order and at a bounded rate, expired visibly, never lost.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { GuildwayError } from '../../src/errors.ts';
import { InteractionWebhook } from '../../src/gateway/dispatch/interaction-webhook.ts';
import { MESSAGE } from '../../src/gateway/dispatch/messages.ts';
import { readFaults } from '../../src/gateway/faults.ts';
import type { HintChannel } from '../../src/gateway/hints/channel.ts';
import { Deliverer } from '../../src/gateway/hints/deliverer.ts';
import { ExpiryNotice } from '../../src/gateway/hints/expiry-notice.ts';
import { HintIntake, type HintLimits, parseHint } from '../../src/gateway/hints/intake.ts';
import { createGatewayMetrics } from '../../src/gateway/metrics.ts';
import { empty, problem } from '../../src/gateway/responses.ts';
import type { NewHint } from '../../src/gateway/store/hints.ts';
import { type GatewayRequest, type GatewayResponse, headerValue } from '../../src/link/message.ts';
import { createTopology } from '../../src/routing/topology.ts';
import { after, asWallTime, type WallClock, wallNow } from '../../src/time.ts';
import { command } from '../support/interactions.ts';
import { noFaults, openTestStore, silent, temporaryFolder } from '../support/store.ts';
import { until } from '../support/wait.ts';
import { startWebhookReceiver } from '../support/webhook-receiver.ts';

/** Owners 0, 1 and 2 under md5/3. */
const GUILDS = ['41771983423143937', '102860784329052160', '81384788765712384'] as const;
/** Of owner 1, like GUILDS[1]. */
const SIBLING = '613425648685547541';
const AMPLE: HintLimits = { maxCount: 1_000, maxBytes: 1_000_000, minFreeBytes: 0 };

/** An owner that is away until it is told otherwise, and writes down what it gets. */
class Owner implements HintChannel {
  away = true;
  readonly requests: GatewayRequest[] = [];
  answer: (request: GatewayRequest) => GatewayResponse | Promise<GatewayResponse> = () => empty(200);

  async connect(): Promise<void> {
    if (this.away) throw new GuildwayError('LINK_UNAVAILABLE', 'away', { facts: { sent: false } });
  }

  async send(request: GatewayRequest): Promise<GatewayResponse> {
    await this.connect();
    this.requests.push(request);
    return this.answer(request);
  }

  close(): void {}

  get identities(): (string | undefined)[] {
    return this.requests.map(({ headers }) => headerValue(headers, 'guildway-hint'));
  }
}

async function setUp(
  options: { path?: string; now?: WallClock; limits?: HintLimits; rate?: number; fault?: string } = {},
) {
  const folder = temporaryFolder();
  const path = options.path ?? folder.file('pod');
  const store = openTestStore(path, { now: options.now ?? wallNow });
  const discord = await startWebhookReceiver();
  const webhook = new InteractionWebhook(discord.url);
  const faults =
    options.fault === undefined ? noFaults : readFaults({ NODE_ENV: 'test', GUILDWAY_TEST_FAULT: options.fault });
  const owners = [new Owner(), new Owner(), new Owner()];
  const registry = new Registry();
  const deliverer = new Deliverer({
    store: store.hints,
    topology: createTopology({ strategy: 'md5', pods: 3 }),
    channelTo: (owner) => owners[owner] as Owner,
    notice: new ExpiryNotice({ webhook, log: silent, now: options.now ?? wallNow }),
    ratePerSecond: options.rate ?? 10_000,
    metrics: createGatewayMetrics(registry),
    faults: noFaults,
    log: silent,
    now: options.now ?? wallNow,
  });
  const intake = new HintIntake({
    store: store.hints,
    limits: options.limits ?? AMPLE,
    databasePath: path,
    onStored: (entry) => deliverer.add(entry),
    faults,
    log: silent,
  });
  return {
    store,
    discord,
    deliverer,
    intake,
    owners: owners as [Owner, Owner, Owner],
    async metric(name: string) {
      const { values } = (await registry.getSingleMetric(name)?.get()) ?? { values: [] };
      return values.reduce((sum, { value }) => sum + value, 0);
    },
    async [Symbol.asyncDispose]() {
      deliverer.close();
      webhook.close();
      await discord[Symbol.asyncDispose]();
      store.close();
      folder[Symbol.dispose]();
    },
  };
}

let counter = 0;
function hint(overrides: Partial<NewHint> = {}): NewHint {
  counter++;
  const body = overrides.body ?? Buffer.from(`{"n":${counter}}`);
  return {
    identity: `interaction:${counter}`,
    guildId: GUILDS[1],
    target: '/webhooks/discord',
    headers: ['content-type', 'application/json', 'guildway-request-id', 'r-1'],
    bodyHash: String(counter),
    deferred: 0,
    uncertain: false,
    expiresAt: after(wallNow(), 60_000),
    ...overrides,
    body,
  };
}

test('a hint is read out of the request that brings it', () => {
  const headers = [
    ...[
      'content-type',
      'application/json',
      'content-length',
      '2',
      'guildway-request-id',
      'r-1',
      'guildway-auth',
      'secret',
    ],
    ...['guildway-hint-target', '/webhooks/discord', 'guildway-hint-guild', GUILDS[1], 'guildway-deferred', '5'],
    ...['guildway-hint-expires', '1750000000000'],
  ];
  const parsed = parseHint('interaction:1', headers, Buffer.from('{}'));
  assert.deepEqual(
    { ...parsed, body: parsed.body.toString(), bodyHash: typeof parsed.bodyHash },
    {
      identity: 'interaction:1',
      guildId: GUILDS[1],
      target: '/webhooks/discord',
      headers: ['content-type', 'application/json', 'guildway-request-id', 'r-1'],
      body: '{}',
      bodyHash: 'string',
      deferred: 5,
      uncertain: true,
      expiresAt: 1_750_000_000_000,
    },
  );
  assert.equal(parseHint('interaction:1', [...headers, 'guildway-hint-sent', '0'], Buffer.alloc(0)).uncertain, false);
  const without = (name: string, value?: string) => {
    const at = headers.indexOf(name);
    return [...headers.slice(0, at), ...(value === undefined ? [] : [name, value]), ...headers.slice(at + 2)];
  };
  const bad: [string, string[]][] = [
    ['interaction', headers],
    ['interaction:', headers],
    ['other:1', headers],
    ['interaction:1\n', headers],
    ['interaction:1', without('guildway-hint-target')],
    ['interaction:1', without('guildway-hint-target', 'https://elsewhere/')],
    ['interaction:1', without('guildway-hint-guild', '../etc')],
    ['interaction:1', without('guildway-deferred', '4')],
    ['interaction:1', without('guildway-hint-expires')],
    ['interaction:1', without('guildway-hint-expires', 'soon')],
  ];
  for (const [identity, list] of bad)
    assert.throws(() => parseHint(identity, list, Buffer.alloc(0)), /not a hint/, identity);
});

test('201 when it is on disk, 200 when it was, 409 with another body', async () => {
  await using pod = await setUp();
  const one = hint();
  const [first, second] = await Promise.all([pod.intake.put(one), pod.intake.put(one)]);
  assert.deepEqual([first?.status, second?.status], [201, 200]);
  assert.equal((await pod.intake.put({ ...one, bodyHash: 'other' })).status, 409);
  assert.equal(pod.store.hints.count, 1);
});

test('507 beyond the bounds and near a full disk; the others are taken', async () => {
  await using few = await setUp({ limits: { ...AMPLE, maxCount: 2 } });
  const statuses = await Promise.all([1, 2, 3].map(async () => (await few.intake.put(hint())).status));
  assert.deepEqual(statuses, [201, 201, 507]);
  await using small = await setUp({ limits: { ...AMPLE, maxBytes: 100 } });
  assert.equal((await small.intake.put(hint({ body: Buffer.alloc(90) }))).status, 201);
  assert.equal((await small.intake.put(hint({ body: Buffer.alloc(90) }))).status, 507);
  assert.equal((await small.intake.put(hint({ body: Buffer.alloc(9) }))).status, 201);
  await using full = await setUp({ limits: { ...AMPLE, minFreeBytes: Number.MAX_SAFE_INTEGER } });
  assert.equal((await full.intake.put(hint())).status, 507);
  assert.equal(full.store.hints.count, 0);
});

test('under the fault no-hint-fsync it is acknowledged before it is there', async () => {
  await using pod = await setUp({ fault: 'no-hint-fsync' });
  assert.equal((await pod.intake.put(hint())).status, 201);
  assert.equal(pod.store.hints.count, 0);
  await until('it is written late', () => pod.store.hints.count === 1);
});

test('delivered when the owner is back: each to its owner, with everything it needs, and then forgotten', async () => {
  await using pod = await setUp();
  const all = GUILDS.map((guildId) => hint({ guildId, deferred: 5 }));
  const guildless = hint({ guildId: null, target: '/webhooks/discord-events' });
  for (const one of [...all, guildless]) await pod.intake.put(one);
  assert.deepEqual(
    pod.deliverer
      .summary()
      .map(({ owner, count }) => [owner, count])
      .toSorted(),
    [
      [0, 2],
      [1, 1],
      [2, 1],
    ],
  );
  for (const owner of pod.owners) owner.away = false;
  await until('all are delivered', () => pod.store.hints.count === 0);
  const [sent] = pod.owners[1].requests;
  assert.deepEqual(
    [sent?.method, sent?.target, sent?.body.toString(), sent?.headers],
    [
      'POST',
      '/webhooks/discord',
      all[1]?.body.toString(),
      [
        ...(all[1]?.headers ?? []),
        ...['guildway-hint', all[1]?.identity, 'guildway-deferred', '5'],
        ...['guildway-hint-expires', String(all[1]?.expiresAt)],
      ],
    ],
  );
  assert.equal(pod.owners[0].requests.length, 2);
  assert.equal(await pod.metric('guildway_hints_delivered_total'), 4);
  await until('the lanes are closed', () => pod.deliverer.summary().length === 0);
});

test('hints outlive the process that took them', async () => {
  using folder = temporaryFolder();
  const path = folder.file('pod');
  {
    await using pod = await setUp({ path });
    await pod.intake.put(hint());
    await pod.deliverer.drain();
  }
  await using pod = await setUp({ path });
  pod.owners[1].away = false;
  pod.deliverer.start();
  await until('it is delivered', () => pod.store.hints.count === 0);
});

test("a guild's hints go in order, each when the one before is answered; other guilds do not wait for it", async () => {
  await using pod = await setUp();
  const gate = Promise.withResolvers<void>();
  const [a1, a2, b1, b2] = [hint(), hint(), hint({ guildId: SIBLING }), hint({ guildId: SIBLING })];
  const owner = pod.owners[1];
  owner.answer = async ({ headers }) => {
    if (headerValue(headers, 'guildway-hint') === a1.identity) await gate.promise;
    return empty(200);
  };
  for (const one of [a1, a2, b1, b2]) await pod.intake.put(one);
  owner.away = false;
  await until('the other guild is done', () => pod.store.hints.count === 2);
  // One that comes while the first is under way waits, too.
  const a3 = hint();
  await pod.intake.put(a3);
  await delay(400);
  assert.deepEqual(owner.identities, [a1.identity, b1.identity, b2.identity]);
  gate.resolve();
  await until('all are delivered', () => pod.store.hints.count === 0);
  assert.deepEqual(
    owner.identities,
    [a1, b1, b2, a2, a3].map(({ identity }) => identity),
  );
});

test('one that fails at its owner is tried again, and does not hold up its guild for that', async () => {
  await using pod = await setUp();
  const [bad, good] = [hint(), hint()];
  const owner = pod.owners[1];
  let failures = 0;
  owner.answer = ({ headers }) =>
    headerValue(headers, 'guildway-hint') === bad.identity && failures++ < 2 ? problem(500, 'no') : empty(200);
  for (const one of [bad, good]) await pod.intake.put(one);
  owner.away = false;
  await until('all are delivered', () => pod.store.hints.count === 0);
  assert.deepEqual(owner.identities.slice(0, 2), [bad.identity, good.identity]);
  assert.equal(owner.requests.length, 4);
});

test('a pod that serves nothing (503) is asked again, in the old order', async () => {
  await using pod = await setUp();
  const all = [hint(), hint(), hint()];
  const owner = pod.owners[1];
  let refusals = 3;
  owner.answer = () => (refusals-- > 0 ? problem(503, 'shutting down') : empty(200));
  for (const one of all) await pod.intake.put(one);
  owner.away = false;
  await until('all are delivered', () => pod.store.hints.count === 0);
  assert.deepEqual(
    [...new Set(owner.identities)],
    all.map(({ identity }) => identity),
  );
});

test('misdirected: follows a pod that knows more, and gives up going round in circles', async () => {
  await using pod = await setUp();
  const moved = (owner: number, epoch: number) =>
    problem(421, 'not mine', ['guildway-owner', String(owner), 'guildway-epoch', String(epoch)]);
  pod.owners[1].answer = () => moved(2, 2);
  await pod.intake.put(hint());
  for (const owner of pod.owners) owner.away = false;
  await until('it is delivered', () => pod.store.hints.count === 0);
  assert.deepEqual(
    pod.owners.map(({ requests }) => requests.length),
    [0, 1, 1],
  );

  pod.owners[2].answer = () => moved(1, 2);
  await pod.intake.put(hint());
  await until('it goes round', () => pod.owners[2].requests.length === 2);
  await delay(500);
  assert.deepEqual(
    pod.owners.map(({ requests }) => requests.length),
    [0, 3, 2],
    'each was asked, owner 1 twice, and then it rests',
  );
  pod.owners[1].answer = () => empty(200);
  await until('it is delivered', () => pod.store.hints.count === 0);
});

test('the rate is bounded', async () => {
  await using pod = await setUp({ rate: 100 });
  for (let i = 0; i < 60; i++) await pod.intake.put(hint({ guildId: null }));
  const startedAt = performance.now();
  pod.owners[0].away = false;
  await until('all are delivered', () => pod.store.hints.count === 0);
  const seconds = (performance.now() - startedAt) / 1_000;
  // A tenth of a second's worth may go at once.
  assert.ok(seconds > 0.45, `60 in ${seconds.toFixed(2)} s`);
});

test('a refusal for good ends it; an interaction’s user is told', async () => {
  await using pod = await setUp();
  const body = Buffer.from(JSON.stringify(command('note')));
  pod.owners[1].answer = () => problem(409, 'another body');
  const one = hint({ deferred: 5, body });
  await pod.intake.put(one);
  pod.owners[1].away = false;
  await until('it is gone', () => pod.store.hints.count === 0);
  assert.deepEqual(
    pod.discord.requests.map(({ method, body }) => [method, body]),
    [['PATCH', { content: MESSAGE.failed(one.identity) }]],
  );
});

test('time runs out: the user is told what is known, it is counted, and it is never sent', async () => {
  let now = Date.now();
  await using pod = await setUp({ now: () => asWallTime(now) });
  const body = Buffer.from(JSON.stringify(command('note')));
  await pod.intake.put(hint({ deferred: 5, body, expiresAt: asWallTime(now + 870_000) }));
  await pod.intake.put(hint({ deferred: 6, body, expiresAt: asWallTime(now + 870_000), uncertain: true }));
  await pod.intake.put(hint({ identity: 'stripe:evt_1', expiresAt: asWallTime(now + 870_000) }));
  await pod.deliverer.expireDue();
  assert.equal(pod.store.hints.count, 3);
  now += 871_000;
  await pod.deliverer.expireDue();
  assert.equal(pod.store.hints.count, 0);
  assert.deepEqual(pod.discord.requests.map(({ method, body }) => [method, body]).toSorted(), [
    ['PATCH', { content: MESSAGE.expired }],
    ['POST', { content: MESSAGE.expiredUncertain, flags: 64 }],
  ]);
  assert.equal(await pod.metric('guildway_hints_expired_total'), 3);
  pod.owners[1].away = false;
  await until('the lane is empty', () => pod.deliverer.summary().length === 0);
  assert.deepEqual(pod.owners[1].requests, []);
});

test('an owner that is back after the time gets nothing, even before anybody has looked', async () => {
  let now = Date.now();
  await using pod = await setUp({ now: () => asWallTime(now) });
  await pod.intake.put(hint({ expiresAt: asWallTime(now + 1_000) }));
  now += 2_000;
  pod.owners[1].away = false;
  await until('the lane is empty', () => pod.deliverer.summary().length === 0);
  assert.deepEqual([pod.owners[1].requests, pod.store.hints.count], [[], 1]);
  await pod.deliverer.expireDue();
  assert.equal(pod.store.hints.count, 0);
});

test('time runs out while Discord is away: told later, or given up on when the token is dead', async () => {
  let now = Date.now();
  await using pod = await setUp({ now: () => asWallTime(now) });
  const body = Buffer.from(JSON.stringify(command('note')));
  await pod.intake.put(hint({ deferred: 5, body, expiresAt: asWallTime(now + 1_000) }));
  now += 2_000;
  pod.discord.answers.push(...Array(3).fill({ status: 500 }));
  await pod.deliverer.expireDue();
  assert.equal(pod.store.hints.count, 1);
  await pod.deliverer.expireDue();
  assert.equal(pod.store.hints.count, 0);
  assert.deepEqual(pod.discord.requests.at(-1)?.body, { content: MESSAGE.expired });

  await pod.intake.put(hint({ deferred: 5, body, expiresAt: asWallTime(now + 1_000) }));
  now += 120_000;
  pod.discord.answers.push(...Array(3).fill({ status: 500 }));
  await pod.deliverer.expireDue();
  assert.equal(pod.store.hints.count, 0);
});

test('an owner that finds it too late says so, and the user is told that it certainly did not happen', async () => {
  await using pod = await setUp();
  const body = Buffer.from(JSON.stringify(command('note')));
  pod.owners[1].answer = () => problem(410, 'expired');
  await pod.intake.put(hint({ deferred: 5, body, uncertain: true }));
  pod.owners[1].away = false;
  await until('it is gone', () => pod.store.hints.count === 0);
  assert.deepEqual(pod.discord.requests.at(-1)?.body, { content: MESSAGE.expired });
});
