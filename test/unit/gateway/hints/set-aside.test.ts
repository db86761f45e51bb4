// Undeliverable requests: only an operator or their sender ends them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { empty, problem } from '../../../../src/gateway/dispatch/responses.ts';
import { hintActions } from '../../../../src/gateway/hints/admin.ts';
import type { Selection } from '../../../../src/gateway/hints/set-aside.ts';
import { AMPLE, GUILDS, hint, ManualClocks, startStandIn, stripeHint } from '../../../support/hints.ts';
import { temporaryFolder } from '../../../support/store.ts';
import { until } from '../../../support/wait.ts';

type StandIn = Awaited<ReturnType<typeof startStandIn>>;

/** Lets the bot reject events until they are set aside. */
async function setAside(pod: StandIn, clocks: ManualClocks, ...identities: string[]): Promise<void> {
  const owner = pod.owners[1];
  owner.answer = () => problem(400, 'the signature is too old');
  const before = pod.store.hints.setAsideTotals.count;
  for (const identity of identities) await pod.intake.put(stripeHint({ identity }));
  owner.away = false;
  await until('they are set aside', () => {
    clocks.advance(1_000);
    return pod.store.hints.setAsideTotals.count === before + identities.length;
  });
  owner.answer = () => empty(200);
}

/** The admin port's actions on a stand-in. */
function actionsOf(pod: StandIn) {
  const actions = hintActions({
    deliverAgain(selection: Selection, force: boolean) {
      const entries = pod.setAside.takeBack(selection, force);
      for (const entry of entries) pod.deliverer.add(entry);
      return entries.length;
    },
    drop: (selection) => pod.setAside.drop(selection),
  });
  return {
    deliver: (body: unknown) => actions['/hints/deliver']?.(body),
    drop: (body: unknown) => actions['/hints/drop']?.(body),
  };
}

test('they survive the process, are not delivered automatically, and do not delay a drain', async () => {
  using folder = temporaryFolder();
  const path = folder.file('pod');
  const clocks = new ManualClocks();
  {
    await using pod = await startStandIn({ path, clocks });
    await setAside(pod, clocks, 'stripe:evt_1');
    await pod.deliverer.drain();
  }
  await using pod = await startStandIn({ path, clocks });
  pod.deliverer.start();
  assert.deepEqual([pod.store.hints.count, pod.store.hints.setAsideTotals.count], [0, 1]);
  assert.deepEqual(pod.deliverer.summary(), []);
  const [entry] = pod.setAside.list();
  assert.deepEqual(
    [entry?.identity, entry?.guild, entry?.target, entry?.reason, entry?.attempts],
    ['stripe:evt_1', '102860784329052160', '/webhooks/stripe', 'the bot answered 400', 5],
  );
  assert.ok((entry?.ageSeconds ?? 0) >= 40);
  assert.equal(pod.owners[1].requests.length, 0);
});

test('an operator redelivers one or all of them', async () => {
  const clocks = new ManualClocks();
  await using pod = await startStandIn({ clocks });
  await setAside(pod, clocks, 'stripe:evt_1', 'stripe:evt_2', 'stripe:evt_3');
  const { deliver } = actionsOf(pod);
  const sent = pod.owners[1].requests.length;
  assert.deepEqual(deliver({ identity: 'stripe:evt_2' }), { delivering: 1 });
  const all = () => {
    clocks.advance(250);
    return pod.store.hints.count === 0;
  };
  await until('it is delivered', all);
  assert.deepEqual(pod.owners[1].identities.slice(sent), ['stripe:evt_2']);
  assert.deepEqual(deliver({ all: true }), { delivering: 2 });
  await until('they are delivered', all);
  assert.deepEqual([pod.setAside.list(), pod.store.hints.setAsideTotals], [[], { count: 0, bytes: 0 }]);
});

test('one that is rejected again is set aside again', async () => {
  const clocks = new ManualClocks();
  await using pod = await startStandIn({ clocks });
  await setAside(pod, clocks, 'stripe:evt_1');
  pod.owners[1].answer = () => problem(401, 'who are you?');
  actionsOf(pod).deliver({ identity: 'stripe:evt_1' });
  await until('it is set aside again', () => {
    clocks.advance(1_000);
    return pod.store.hints.setAsideTotals.count === 1;
  });
  const [entry] = pod.setAside.list();
  assert.deepEqual([entry?.attempts, entry?.reason], [10, 'the bot answered 401']);
});

test('an operator drops one or all of them', async () => {
  const clocks = new ManualClocks();
  await using pod = await startStandIn({ clocks });
  await setAside(pod, clocks, 'stripe:evt_1', 'stripe:evt_2', 'stripe:evt_3');
  const { drop } = actionsOf(pod);
  assert.deepEqual(await drop({ identity: 'stripe:evt_2' }), { dropped: 1 });
  assert.deepEqual(
    pod.setAside
      .list()
      .map(({ identity }) => identity)
      .toSorted(),
    ['stripe:evt_1', 'stripe:evt_3'],
  );
  assert.deepEqual(await drop({ all: true }), { dropped: 2 });
  assert.deepEqual(pod.store.hints.setAsideTotals, { count: 0, bytes: 0 });
});

test('an invalid operator request is rejected by name', async () => {
  const clocks = new ManualClocks();
  await using pod = await startStandIn({ clocks });
  await setAside(pod, clocks, 'stripe:evt_1');
  // A waiting hint cannot be dropped: its user was promised a response.
  pod.owners[1].away = true;
  await pod.intake.put(hint({ identity: 'interaction:1' }));
  const { deliver, drop } = actionsOf(pod);
  for (const body of [null, {}, [], 'stripe:evt_1', { all: false }, { identity: 7 }, { identity: 'x', all: true }]) {
    await assert.rejects(async () => drop(body), /name one request/, JSON.stringify(body));
    assert.throws(() => deliver(body), /name one request/, JSON.stringify(body));
  }
  assert.throws(() => deliver({ all: true, force: 'yes' }), /"force"/);
  for (const identity of ['stripe:evt_9', 'interaction:1']) {
    await assert.rejects(async () => drop({ identity }), new RegExp(`${identity} is not set aside`));
  }
  assert.deepEqual([pod.store.hints.count, pod.store.hints.setAsideTotals.count], [1, 1]);
});

test('a hint that its owner may have executed and forgotten is redelivered only by force', async () => {
  const clocks = new ManualClocks();
  await using pod = await startStandIn({ clocks });
  await setAside(pod, clocks, 'stripe:evt_1');
  const { deliver } = actionsOf(pod);
  clocks.advance(96 * 3_600_000);
  assert.equal(pod.setAside.list()[0]?.forgotten, true);
  assert.throws(() => deliver({ identity: 'stripe:evt_1' }), /may have been executed.*"force": true/);
  assert.deepEqual(deliver({ all: true }), { delivering: 0 });
  assert.equal(pod.store.hints.setAsideTotals.count, 1);
  assert.deepEqual(deliver({ identity: 'stripe:evt_1', force: true }), { delivering: 1 });
  await until('it is delivered', () => {
    clocks.advance(250);
    return pod.store.hints.count === 0;
  });
});

test('a repeated event that is set aside is not acknowledged: this pod would not deliver it', async () => {
  const clocks = new ManualClocks();
  await using pod = await startStandIn({ clocks });
  await setAside(pod, clocks, 'stripe:evt_1');
  assert.equal((await pod.intake.put(stripeHint({ identity: 'stripe:evt_1' }))).status, 423);
  assert.deepEqual([pod.store.hints.count, pod.store.hints.setAsideTotals.count], [0, 1]);
});

test('nothing is sent again after its owner may have forgotten the execution', async () => {
  const clocks = new ManualClocks();
  await using pod = await startStandIn({ clocks });
  await setAside(pod, clocks, 'stripe:evt_1');
  pod.owners[1].away = true;
  clocks.advance(95 * 3_600_000);
  assert.deepEqual(actionsOf(pod).deliver({ identity: 'stripe:evt_1' }), { delivering: 1 });
  clocks.advance(2 * 3_600_000);
  const before = pod.owners[1].requests.length;
  pod.owners[1].away = false;
  await until('the queue is empty', () => {
    clocks.advance(250);
    return pod.deliverer.summary().length === 0;
  });
  await pod.deliverer.expireDue();
  assert.equal(pod.owners[1].requests.length, before);
  assert.equal(pod.setAside.list()[0]?.forgotten, true);

  // Never sent, so it is as good as new.
  await pod.intake.put(stripeHint({ identity: 'stripe:evt_2', guildId: GUILDS[2] }));
  clocks.advance(100 * 3_600_000);
  await pod.deliverer.expireDue();
  assert.deepEqual(actionsOf(pod).deliver({ identity: 'stripe:evt_2' }), { delivering: 1 });
  const [third] = [pod.owners[2]];
  let failures = 1;
  third.answer = () => (failures-- > 0 ? problem(500, 'no') : empty(200));
  third.away = false;
  await until('it is delivered', () => {
    clocks.advance(250);
    return pod.store.hints.count === 0;
  });
  assert.equal(third.requests.length, 2);
});

test('they have separate limits; beyond these nothing is dropped, and eventually nothing new is accepted', async () => {
  const clocks = new ManualClocks();
  await using pod = await startStandIn({ clocks, limits: { ...AMPLE, maxCount: 2 } });
  await setAside(pod, clocks, 'stripe:evt_1', 'stripe:evt_2');
  const owner = pod.owners[1];
  owner.answer = () => problem(400, 'no');
  const put = async (identity: string) => (await pod.intake.put(stripeHint({ identity }))).status;
  assert.deepEqual([await put('stripe:evt_3'), await put('stripe:evt_4')], [201, 201], 'they take no room of others');
  await until('both are rejected for good', () => {
    clocks.advance(1_000);
    return owner.requests.length === 20;
  });
  assert.equal(await put('stripe:evt_5'), 507);
  clocks.advance(3 * 86_400_000);
  await pod.deliverer.expireDue();
  await pod.deliverer.expireDue();
  assert.deepEqual([pod.store.hints.count, pod.store.hints.setAsideTotals.count], [2, 2]);
  assert.deepEqual(pod.store.hints.expired(10), [], 'until its next try, none takes the turn of others');
  // After four days their owner may have forgotten whether it executed them.
  const sent = owner.requests.length;
  clocks.advance(25 * 3_600_000);
  await pod.deliverer.expireDue();
  await until('nothing is left to send', () => {
    clocks.advance(60_000);
    return pod.deliverer.summary().length === 0;
  });
  assert.deepEqual([owner.requests.length, pod.store.hints.count], [sent, 2]);
  // When there is room again, they are set aside like any other.
  await pod.setAside.drop({ all: true });
  clocks.advance(2 * 3_600_000);
  await pod.deliverer.expireDue();
  assert.deepEqual([pod.store.hints.count, pod.store.hints.setAsideTotals.count], [0, 2]);
});

test('the size of their bodies is bounded', async () => {
  const clocks = new ManualClocks();
  const maxBytes = stripeHint().body.length;
  await using pod = await startStandIn({ clocks, limits: { ...AMPLE, maxBytes } });
  await setAside(pod, clocks, 'stripe:evt_1');
  await pod.intake.put(stripeHint({ identity: 'stripe:evt_2' }));
  const [entry] = pod.store.hints.list();
  assert.ok(entry !== undefined);
  assert.notEqual(await pod.setAside.take(entry, 'no'), null, 'it waits for room');
  assert.deepEqual([pod.store.hints.count, pod.store.hints.setAsideTotals.count], [1, 1]);
});
