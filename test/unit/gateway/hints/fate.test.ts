// A bot's response to a stored request affects that request alone; only the pod's own statement affects the delivery order.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MESSAGE } from '../../../../src/gateway/dispatch/messages.ts';
import { empty, problem } from '../../../../src/gateway/dispatch/responses.ts';
import { verdictOf } from '../../../../src/gateway/hints/delivery.ts';
import { rejectionPauseMs, retryPauseMs } from '../../../../src/gateway/hints/fate.ts';
import { headerValue } from '../../../../src/link/message.ts';
import { GUILDS, hint, ManualClocks, startStandIn, stripeHint } from '../../../support/hints.ts';
import { command } from '../../../support/interactions.ts';
import { until } from '../../../support/wait.ts';

const FAILURES = [429, 500, 503, 504];
const REJECTIONS = [302, 400, 401, 404, 409, 410, 421, 451];

test('whatever a bot answers to an event, later events are delivered, and the event is retried or set aside', async () => {
  const clocks = new ManualClocks();
  await using pod = await startStandIn({ clocks });
  const owner = pod.owners[1];
  const statusOf = (identity = ''): number => Number(/^stripe:evt_(\d+)$/.exec(identity)?.[1] ?? 200);
  owner.answer = ({ headers }) => {
    const status = statusOf(headerValue(headers, 'guildway-hint'));
    return status === 200 ? empty(200) : problem(status, 'no');
  };
  // All of one guild, each before a command with a waiting user.
  const commands: string[] = [];
  for (const status of [...FAILURES, ...REJECTIONS]) {
    await pod.intake.put(stripeHint({ identity: `stripe:evt_${status}` }));
    const body = Buffer.from(JSON.stringify(command('note')));
    const behind = hint({ deferred: 5, body });
    commands.push(behind.identity);
    await pod.intake.put(behind);
  }
  owner.away = false;
  const step = () => clocks.advance(250);
  await until('the commands are delivered', () => {
    step();
    return commands.every((identity) => owner.identities.includes(identity));
  });
  assert.ok(
    clocks.monotonic() < 40_000,
    `the last command waited ${clocks.monotonic()} ms for ${FAILURES.length + REJECTIONS.length} events`,
  );

  await until('what is rejected is set aside', () => {
    step();
    return pod.store.hints.setAsideTotals.count === REJECTIONS.length;
  });
  assert.ok(clocks.monotonic() < 120_000, `after ${clocks.monotonic()} ms`);
  for (const status of REJECTIONS) {
    const sent = owner.identities.filter((identity) => identity === `stripe:evt_${status}`).length;
    const { reason, attempts } = pod.setAside.list().find(({ identity }) => statusOf(identity) === status) ?? {};
    assert.deepEqual({ sent, attempts, reason }, { sent: 5, attempts: 5, reason: `the bot answered ${status}` });
  }
  assert.equal(pod.store.hints.count, FAILURES.length, 'what fails is still tried');

  clocks.advance(3 * 86_400_000);
  await pod.deliverer.expireDue();
  assert.equal(pod.store.hints.count, 0);
  const reasons = pod.setAside.list().map(({ identity, reason }) => [statusOf(identity), reason]);
  for (const status of FAILURES) {
    assert.ok(
      reasons.some(([of, why]) => of === status && why === `the bot answered ${status}`),
      `${status} is set aside when its time is over`,
    );
  }
  assert.equal(await pod.metric('guildway_hints_expired_total'), 0, 'no user is told that an event has expired');
  assert.equal(pod.discord.requests.length, 0);
});

test("a pod's own statement is told from a bot's response by its header, whatever the status", () => {
  const verdict = (status: number, ...headers: string[]) => verdictOf({ status, headers, body: Buffer.alloc(0) });
  assert.deepEqual(verdict(200), { kind: 'delivered' });
  assert.deepEqual(verdict(204), { kind: 'delivered' });
  assert.deepEqual(verdict(503, 'guildway-refusal', 'shutting down'), { kind: 'refused' });
  assert.deepEqual(verdict(401, 'guildway-refusal', 'wrong secret'), { kind: 'refused' });
  assert.deepEqual(verdict(421, 'guildway-refusal', 'another pod'), { kind: 'refused' });
  assert.deepEqual(verdict(503, 'guildway-held', 'topologies disagree'), { kind: 'refused' });
  const redirect = verdict(421, 'guildway-owner', '2', 'guildway-epoch', '7');
  assert.deepEqual(redirect, { kind: 'redirected', owner: 2, epoch: 7 });
  const failed = verdict(503, 'guildway-failure', 'the disk is full', 'retry-after', '1');
  assert.deepEqual(failed, { kind: 'failed', why: 'the disk is full', retryAfterMs: 1_000 });
  for (const status of [...FAILURES, 408, 425, 599])
    assert.deepEqual(verdict(status), { kind: 'failed', why: `the bot answered ${status}`, retryAfterMs: null });
  for (const status of REJECTIONS)
    assert.deepEqual(verdict(status), { kind: 'rejected', why: `the bot answered ${status}` });
});

test('Retry-After is honored, in seconds or as a date, up to an hour', () => {
  const asked = (value: string): number | null => {
    const verdict = verdictOf({ status: 503, headers: ['retry-after', value], body: Buffer.alloc(0) });
    return verdict.kind === 'failed' ? verdict.retryAfterMs : assert.fail(verdict.kind);
  };
  assert.equal(asked('120'), 120_000);
  const date = asked(new Date(Date.now() + 90_000).toUTCString());
  assert.ok(date !== null && date > 80_000 && date <= 90_000, String(date));
  assert.equal(asked(new Date(0).toUTCString()), 0);
  assert.equal(asked('soon'), null);
  assert.equal(
    retryPauseMs('event', 0, 120_000, () => 0),
    120_000,
  );
  assert.equal(
    retryPauseMs('event', 0, 86_400_000, () => 0),
    3_600_000,
  );
  assert.equal(
    retryPauseMs('interaction', 0, 3_600_000, () => 0),
    30_000,
    'a user waits',
  );
  assert.equal(
    retryPauseMs('event', 50, null, () => 1),
    60_000,
  );
  const pauses = [0, 1, 2, 3, 4].map((rejections) => rejectionPauseMs(rejections, () => 0.5));
  assert.deepEqual(pauses, [1_000, 3_000, 9_000, 27_000, null]);
});

test('a bot that asks for a pause gets it', async () => {
  const clocks = new ManualClocks();
  await using pod = await startStandIn({ clocks });
  const owner = pod.owners[1];
  owner.answer = () => {
    owner.answer = () => empty(200);
    return { ...problem(503, 'busy'), headers: ['retry-after', '600'] };
  };
  await pod.intake.put(stripeHint());
  owner.away = false;
  const begun = await until('the second attempt', () => {
    clocks.advance(20_000);
    return owner.requests.length === 2 && clocks.monotonic();
  });
  assert.ok(begun > 600_000, `after ${begun} ms`);
  await until('it is delivered', () => pod.store.hints.count === 0);
});

test('an owner that does not answer is retried, and later hints are delivered', async () => {
  const clocks = new ManualClocks();
  await using pod = await startStandIn({ clocks });
  const owner = pod.owners[1];
  const [lost, behind] = [hint({ deferred: 5 }), hint()];
  owner.answer = ({ headers }) => {
    if (headerValue(headers, 'guildway-hint') !== lost.identity) return empty(200);
    owner.answer = () => empty(200);
    throw new Error('the link is lost');
  };
  for (const one of [lost, behind]) await pod.intake.put(one);
  owner.away = false;
  await until('both are delivered', () => {
    clocks.advance(250);
    return pod.store.hints.count === 0;
  });
  assert.deepEqual(owner.identities, [lost.identity, behind.identity, lost.identity]);
});

test('an attempt is recorded as possibly executed before it is sent', async () => {
  await using pod = await startStandIn();
  const owner = pod.owners[1];
  const seen: (boolean | undefined)[] = [];
  owner.answer = () => {
    seen.push(pod.store.hints.read(pod.store.hints.list()[0]?.id ?? 0)?.uncertain);
    return empty(200);
  };
  await pod.intake.put(hint({ deferred: 5, uncertain: false }));
  owner.away = false;
  await until('it is delivered', () => pod.store.hints.count === 0);
  assert.deepEqual(seen, [true]);
});

test('a retried hint keeps its place before later ones of its guild, including those that arrived meanwhile', async () => {
  await using pod = await startStandIn();
  const owner = pod.owners[1];
  const [first, second, third] = [hint(), hint(), hint()];
  const done: (string | undefined)[] = [];
  owner.answer = async ({ headers }) => {
    owner.answer = (request) => {
      done.push(headerValue(request.headers, 'guildway-hint'));
      return empty(200);
    };
    assert.equal(headerValue(headers, 'guildway-hint'), first.identity);
    await pod.intake.put(third);
    return problem(503, 'shutting down', ['guildway-refusal', 'shutting down']);
  };
  for (const one of [first, second]) await pod.intake.put(one);
  owner.away = false;
  await until('all are delivered', () => pod.store.hints.count === 0);
  assert.deepEqual(
    done,
    [first, second, third].map(({ identity }) => identity),
  );
});

test('an interaction that its owner rejects ends, and its user is notified', async () => {
  await using pod = await startStandIn();
  const body = Buffer.from(JSON.stringify(command('note')));
  pod.owners[1].answer = () => problem(400, 'not an interaction');
  const one = hint({ deferred: 5, body });
  await pod.intake.put(one);
  pod.owners[1].away = false;
  await until('it is gone', () => pod.store.hints.count === 0);
  assert.deepEqual(pod.discord.requests.at(-1)?.body, { content: MESSAGE.failed(one.identity) });
  assert.equal(pod.store.hints.setAsideTotals.count, 0);
});

test('an event whose owner stays away until it expires is set aside as never sent', async () => {
  const clocks = new ManualClocks();
  await using pod = await startStandIn({ clocks });
  await pod.intake.put(stripeHint({ guildId: GUILDS[0] }));
  clocks.advance(3 * 86_400_000 + 1);
  await pod.deliverer.expireDue();
  const [entry] = pod.setAside.list();
  assert.deepEqual(
    [entry?.attempts, entry?.reason, entry?.forgotten],
    [0, 'its owner was away until it expired', false],
  );
  assert.deepEqual(pod.deliverer.summary(), [
    { owner: 0, count: 0, inFlight: 0, retrying: [], oldestSeconds: 0, oldestInteractionSeconds: 0 },
  ]);
});
