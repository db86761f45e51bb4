// Hints: stored, delivered in order at a bounded rate, expired visibly, never lost.
// Of src/gateway/hints/{delivery-order,owner-queue,summary}.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { MESSAGE } from '../../../../src/gateway/dispatch/messages.ts';
import { empty, problem } from '../../../../src/gateway/dispatch/responses.ts';
import { readFaults } from '../../../../src/gateway/faults.ts';
import { parseHint } from '../../../../src/gateway/hints/intake.ts';
import { headerValue } from '../../../../src/link/message.ts';
import { AMPLE, GUILDS, hint, ManualClocks, SIBLING, startStandIn, stripeHint } from '../../../support/hints.ts';
import { command } from '../../../support/interactions.ts';
import { temporaryFolder } from '../../../support/store.ts';
import { until } from '../../../support/wait.ts';

/** A gateway pod's refusal: it has not processed the request. */
const refusal = (why: string) => problem(503, why, ['guildway-refusal', why]);

test('a hint is parsed from its request', () => {
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
    ...['guildway-hint-life-ms', '60000', 'guildway-verified', 'stripe'],
  ];
  const parsed = parseHint('interaction:1', headers, Buffer.from('{}'));
  assert.deepEqual(
    { ...parsed, body: parsed.body.toString(), bodyHash: typeof parsed.bodyHash },
    {
      identity: 'interaction:1',
      guildId: GUILDS[1],
      target: '/webhooks/discord',
      headers: [
        ...['content-type', 'application/json', 'guildway-request-id', 'r-1'],
        ...['guildway-verified', 'stripe'],
      ],
      body: '{}',
      bodyHash: 'string',
      deferred: 5,
      uncertain: true,
      lifeMs: 60_000,
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
    ['key:1', headers],
    ['interaction:1\n', headers],
    ['interaction:1', without('guildway-hint-target')],
    ['interaction:1', without('guildway-hint-target', 'https://elsewhere/')],
    ['interaction:1', without('guildway-hint-guild', '../etc')],
    ['interaction:1', without('guildway-deferred', '4')],
    ['interaction:1', without('guildway-hint-life-ms')],
    ['interaction:1', without('guildway-hint-life-ms', 'long')],
    ['interaction:1', without('guildway-hint-life-ms', '-1')],
  ];
  for (const [identity, list] of bad)
    assert.throws(() => parseHint(identity, list, Buffer.alloc(0)), /not a hint/, identity);
});

test('a hint gets 201 when it is stored, 200 when it already was, 409 with a different body', async () => {
  await using pod = await startStandIn();
  const one = hint();
  const [first, second] = await Promise.all([pod.intake.put(one), pod.intake.put(one)]);
  assert.deepEqual([first?.status, second?.status], [201, 200]);
  assert.equal((await pod.intake.put({ ...one, bodyHash: 'other' })).status, 409);
  assert.equal(pod.store.hints.count, 1);
  const event = stripeHint();
  assert.equal((await pod.intake.put(event)).status, 201);
  const other = { ...event, body: Buffer.from('{"pending_webhooks":0}') };
  assert.equal((await pod.intake.put(other)).status, 200, 'a Stripe event is known by its id, whatever its bytes');
});

test('a hint gets 507 beyond the limits and near a full disk; others are accepted', async () => {
  await using few = await startStandIn({ limits: { ...AMPLE, maxCount: 2 } });
  const statuses = await Promise.all([1, 2, 3].map(async () => (await few.intake.put(hint())).status));
  assert.deepEqual(statuses, [201, 201, 507]);
  await using small = await startStandIn({ limits: { ...AMPLE, maxBytes: 100 } });
  assert.equal((await small.intake.put(hint({ body: Buffer.alloc(90) }))).status, 201);
  assert.equal((await small.intake.put(hint({ body: Buffer.alloc(90) }))).status, 507);
  assert.equal((await small.intake.put(hint({ body: Buffer.alloc(9) }))).status, 201);
  await using full = await startStandIn({ limits: { ...AMPLE, minFreeBytes: Number.MAX_SAFE_INTEGER } });
  assert.equal((await full.intake.put(hint())).status, 507);
  assert.equal(full.store.hints.count, 0);
});

test('with the fault no-hint-fsync a hint is acknowledged before it is stored', async () => {
  await using pod = await startStandIn({
    faults: readFaults({ NODE_ENV: 'test', GUILDWAY_TEST_FAULT: 'no-hint-fsync' }),
  });
  assert.equal((await pod.intake.put(hint())).status, 201);
  assert.equal(pod.store.hints.count, 0);
  await until('it is written late', () => pod.store.hints.count === 1);
});

test('hints are delivered when their owner is back, complete, and then removed', async () => {
  await using pod = await startStandIn();
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
  const lifeMs = headerValue(sent?.headers ?? [], 'guildway-hint-life-ms');
  assert.ok(Number(lifeMs) > 50_000 && Number(lifeMs) < 60_000, `what is left of a minute: ${lifeMs}`);
  assert.deepEqual(
    [sent?.method, sent?.target, sent?.body.toString(), sent?.headers],
    [
      'POST',
      '/webhooks/discord',
      all[1]?.body.toString(),
      [
        ...(all[1]?.headers ?? []),
        ...['guildway-hint', all[1]?.identity, 'guildway-deferred', '5'],
        ...['guildway-hint-life-ms', lifeMs],
      ],
    ],
  );
  assert.equal(pod.owners[0].requests.length, 2);
  await until('all are counted', async () => (await pod.metric('guildway_hints_delivered_total')) === 4);
  await until('the queues are closed', () => pod.deliverer.summary().length === 0);
});

test('hints outlive the process that stored them', async () => {
  using folder = temporaryFolder();
  const path = folder.file('pod');
  {
    await using pod = await startStandIn({ path });
    await pod.intake.put(hint());
    await pod.deliverer.drain();
  }
  await using pod = await startStandIn({ path });
  pod.owners[1].away = false;
  pod.deliverer.start();
  await until('it is delivered', () => pod.store.hints.count === 0);
});

test("a guild's hints are delivered in order, one at a time; other guilds do not wait", async () => {
  await using pod = await startStandIn();
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
  // One that arrives while the first is in flight waits too.
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

test('a hint that fails at its owner is retried without delaying its guild', async () => {
  await using pod = await startStandIn();
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

test('a pod that refuses because it does not serve is retried, in the original order', async () => {
  await using pod = await startStandIn();
  const all = [hint(), hint(), hint()];
  const owner = pod.owners[1];
  let refusals = 3;
  const done: (string | undefined)[] = [];
  owner.answer = ({ headers }) => {
    if (refusals-- > 0) return refusal('shutting down');
    done.push(headerValue(headers, 'guildway-hint'));
    return empty(200);
  };
  for (const one of all) await pod.intake.put(one);
  owner.away = false;
  await until('all are delivered', () => pod.store.hints.count === 0);
  assert.deepEqual(
    done,
    all.map(({ identity }) => identity),
  );
  assert.deepEqual(
    owner.identities.slice(0, 3),
    Array(3).fill(all[0]?.identity),
    'the first of a guild is the one that comes back',
  );
});

test('a misdirected delivery follows a pod that knows more, and gives up in a loop', async () => {
  await using pod = await startStandIn();
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
  await until('it goes round', () => pod.owners[2].requests.length === 3);
  await delay(500);
  assert.deepEqual(
    pod.owners.map(({ requests }) => requests.length),
    [0, 4, 3],
    'each was asked in turn, five times in all, and then it rests',
  );
  pod.owners[1].answer = () => empty(200);
  await until('it is delivered', () => pod.store.hints.count === 0);
});

test('a misdirected delivery follows a pod of the same epoch, not of an older one', async () => {
  const clocks = new ManualClocks();
  await using pod = await startStandIn({ clocks });
  const [, owner, other] = pod.owners;
  for (const each of pod.owners) each.away = false;
  for (const [epoch, asked] of [
    [1, [1, 1]],
    [0, [3, 1]],
  ] as const) {
    owner.answer = () => {
      owner.answer = () => empty(200);
      return problem(421, 'not mine', ['guildway-owner', '2', 'guildway-epoch', String(epoch)]);
    };
    await pod.intake.put(hint());
    await until('it is delivered', () => {
      clocks.advance(250);
      return pod.store.hints.count === 0;
    });
    assert.deepEqual([owner.requests.length, other.requests.length], asked, `epoch ${epoch}`);
  }
});

test('a hint that expires during its delivery has the outcome of that delivery', async () => {
  const clocks = new ManualClocks();
  await using pod = await startStandIn({ clocks });
  const owner = pod.owners[1];
  const answer = Promise.withResolvers<ReturnType<typeof empty>>();
  owner.answer = () => answer.promise;
  owner.away = false;
  await pod.intake.put(hint({ deferred: 5, body: Buffer.from(JSON.stringify(command('note'))) }));
  await until('it is sent', () => {
    clocks.advance(250);
    return owner.requests.length === 1;
  });
  clocks.advance(15 * 60_000);
  await pod.deliverer.expireDue();
  assert.deepEqual([pod.store.hints.count, pod.discord.requests.length], [1, 0]);
  answer.resolve(empty(200));
  await until('it is delivered', () => pod.store.hints.count === 0);
  assert.equal(pod.discord.requests.length, 0);
});

test('the delivery rate is bounded', async () => {
  await using pod = await startStandIn({ rate: 100 });
  for (let i = 0; i < 60; i++) await pod.intake.put(hint({ guildId: null }));
  const startedAt = performance.now();
  pod.owners[0].away = false;
  await until('all are delivered', () => pod.store.hints.count === 0);
  const seconds = (performance.now() - startedAt) / 1_000;
  // The deliveries of a tenth of a second may go at once.
  assert.ok(seconds > 0.45, `60 in ${seconds.toFixed(2)} s`);
});

test('a permanent rejection ends a hint; the user of an interaction is notified', async () => {
  await using pod = await startStandIn();
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

test('an expired hint is counted and never sent, and its user is told what is known', async () => {
  const clocks = new ManualClocks();
  await using pod = await startStandIn({ clocks });
  const body = Buffer.from(JSON.stringify(command('note')));
  await pod.intake.put(hint({ deferred: 5, body, lifeMs: 870_000 }));
  await pod.intake.put(hint({ deferred: 6, body, lifeMs: 870_000, uncertain: true }));
  await pod.intake.put(hint({ lifeMs: 870_000 }));
  await pod.deliverer.expireDue();
  assert.equal(pod.store.hints.count, 3);
  clocks.advance(871_000);
  await pod.deliverer.expireDue();
  assert.equal(pod.store.hints.count, 0);
  assert.deepEqual(pod.discord.requests.map(({ method, body }) => [method, body]).toSorted(), [
    ['PATCH', { content: MESSAGE.expired }],
    ['POST', { content: MESSAGE.expiredUncertain, flags: 64 }],
  ]);
  assert.equal(await pod.metric('guildway_hints_expired_total'), 3);
  pod.owners[1].away = false;
  await until('the queue is empty', () => pod.deliverer.summary().length === 0);
  assert.deepEqual(pod.owners[1].requests, []);
});

test('an owner that returns after the expiry gets nothing, even before the next check', async () => {
  const clocks = new ManualClocks();
  await using pod = await startStandIn({ clocks });
  await pod.intake.put(hint({ lifeMs: 1_000 }));
  clocks.advance(2_000);
  pod.owners[1].away = false;
  await until('the queue is empty', () => pod.deliverer.summary().length === 0);
  assert.deepEqual([pod.owners[1].requests, pod.store.hints.count], [[], 1]);
  await pod.deliverer.expireDue();
  assert.equal(pod.store.hints.count, 0);
});

test('if Discord is away at the expiry, the user is told later, or not at all once the token is dead', async () => {
  const clocks = new ManualClocks();
  await using pod = await startStandIn({ clocks });
  const body = Buffer.from(JSON.stringify(command('note')));
  await pod.intake.put(hint({ deferred: 5, body, lifeMs: 1_000 }));
  clocks.advance(2_000);
  pod.discord.answers.push(...Array(3).fill({ status: 500 }));
  await pod.deliverer.expireDue();
  assert.equal(pod.store.hints.count, 1);
  await pod.deliverer.expireDue();
  assert.equal(pod.store.hints.count, 0);
  assert.deepEqual(pod.discord.requests.at(-1)?.body, { content: MESSAGE.expired });

  await pod.intake.put(hint({ deferred: 5, body, lifeMs: 1_000 }));
  clocks.advance(120_000);
  pod.discord.answers.push(...Array(3).fill({ status: 500 }));
  await pod.deliverer.expireDue();
  assert.equal(pod.store.hints.count, 0);
});
