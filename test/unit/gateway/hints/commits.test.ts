// Hints of one turn of the event loop commit together, and nothing that depends on them leaves the pod before that.
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { empty } from '../../../../src/gateway/dispatch/responses.ts';
import { type Fault, readFaults } from '../../../../src/gateway/faults.ts';
import { hint, startStandIn } from '../../../support/hints.ts';
import { until } from '../../../support/wait.ts';

/** A stand-in whose commits can fail on request, and another process's view of its database. */
async function setUp() {
  const { has, ...otherFaults } = readFaults({ GUILDWAY_TEST_FAULT: 'fail-hint-commit', NODE_ENV: 'test' });
  const commits = { failing: false };
  const faults = { ...otherFaults, has: (fault: Fault) => commits.failing && has(fault) };
  const pod = await startStandIn({ faults });
  const other = new DatabaseSync(pod.path, { readOnly: true });
  const query = other.prepare('SELECT identity, uncertain FROM guildway_hints ORDER BY id');
  return Object.assign(commits, {
    pod,
    owner: pod.owners[1],
    /** The committed hints, and whether a delivery attempt is committed for each. */
    committed: (): [identity: unknown, attempted: boolean][] =>
      query.all().map(({ identity, uncertain }) => [identity, uncertain === 1]),
    async [Symbol.asyncDispose]() {
      other.close();
      await pod[Symbol.asyncDispose]();
    },
  });
}

test("a hint is acknowledged when it is committed, in one commit per turn together with the bot's writes", async () => {
  await using standIn = await setUp();
  const { pod, committed } = standIn;
  const hints = Array.from({ length: 20 }, () => hint());
  const acknowledged = hints.map((one) => pod.intake.put(one));
  pod.store.botDatabases.full.run('INSERT INTO notes (guild_id, text) VALUES (?, ?)', '1', 'a note');
  const { pending } = pod.store.connection;
  assert.deepEqual(committed(), []);
  const first = await Promise.race(acknowledged);
  assert.equal(first.status, 201);
  assert.equal(pending?.ended, true, 'hints and the note are in one group');
  assert.deepEqual(
    committed(),
    hints.map(({ identity }) => [identity, false]),
  );
  assert.deepEqual([pod.store.hints.count, pod.deliverer.summary()[0]?.count], [20, 20]);
});

test('after a failed commit every sender gets an error, nothing is counted or delivered, and a repetition is stored', async () => {
  await using standIn = await setUp();
  const { pod, owner, committed } = standIn;
  const [kept, lost] = [hint(), hint()];
  assert.equal((await pod.intake.put(kept)).status, 201);
  standIn.failing = true;
  // The existing one is answered from the same group.
  const answers = await Promise.all([lost, lost, kept].map((one) => pod.intake.put(one)));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [507, 507, 507],
  );
  assert.deepEqual(committed(), [[kept.identity, false]]);
  assert.deepEqual([pod.store.hints.count, pod.store.hints.bytes], [1, kept.body.length]);
  assert.equal(pod.deliverer.summary()[0]?.count, 1);
  standIn.failing = false;
  assert.equal((await pod.intake.put(lost)).status, 201);
  owner.away = false;
  await until('both are delivered', () => pod.store.hints.count === 0);
  assert.deepEqual(owner.identities, [kept.identity, lost.identity]);
});

test('an attempt is committed before it is sent: after a crash the owner may have seen it', async () => {
  await using standIn = await setUp();
  const { pod, owner, committed } = standIn;
  const seen: unknown[] = [];
  owner.answer = () => {
    seen.push(committed());
    return empty(200);
  };
  const one = hint();
  await pod.intake.put(one);
  owner.away = false;
  await until('it is delivered', () => pod.store.hints.count === 0);
  assert.deepEqual(seen, [[[one.identity, true]]]);
});

test('after a removal whose commit fails the hint is delivered again until it is removed', async () => {
  await using standIn = await setUp();
  const { pod, owner, committed } = standIn;
  const one = hint();
  await pod.intake.put(one);
  owner.answer = () => {
    standIn.failing = owner.requests.length === 1;
    return empty(200);
  };
  owner.away = false;
  await until('it is delivered again', () => owner.requests.length === 2);
  await until('it is removed', () => committed().length === 0);
  assert.deepEqual(owner.identities, [one.identity, one.identity]);
  assert.deepEqual([pod.store.hints.count, pod.store.hints.bytes], [0, 0]);
});

test('hints whose setting aside fails to commit stay in delivery', async () => {
  await using standIn = await setUp();
  const { pod } = standIn;
  await pod.intake.put(hint({ identity: 'stripe:evt_commit' }));
  const [entry] = pod.store.hints.list();
  assert.ok(entry);
  standIn.failing = true;
  await assert.rejects(pod.setAside.take(entry, 'rejected'), /the database refused/);
  assert.deepEqual([pod.store.hints.count, pod.store.hints.setAsideTotals.count], [1, 0]);
  standIn.failing = false;
  assert.equal(await pod.setAside.take(entry, 'rejected'), null);
  assert.deepEqual([pod.store.hints.count, pod.store.hints.setAsideTotals.count], [0, 1]);
});
