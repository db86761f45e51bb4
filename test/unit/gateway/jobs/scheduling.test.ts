// Of src/gateway/dispatch/scheduling.ts and src/gateway/store/jobs.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GUILD, openJobs, waitingJobs } from '../../../support/jobs.ts';
import { temporaryFolder } from '../../../support/store.ts';

const OTHER_GUILD = '81384788765712384';
const jobs = { close: { run: () => {} }, remind: { run: () => {} } };

test('a job that is scheduled in a transaction commits with it, or not at all', () => {
  using folder = temporaryFolder();
  using pod = openJobs(folder.file('pod'), jobs);
  const context = pod.context();
  assert.throws(
    () =>
      context.transaction(() => {
        context.schedule('close', { poll: 1 });
        throw new Error('no');
      }),
    /no/,
  );
  assert.deepEqual(waitingJobs(pod.store), []);
  context.transaction(() => context.schedule('close', { poll: 1 }));
  context.schedule('remind', null, { inMs: 5 });
  assert.deepEqual(waitingJobs(pod.store), ['close', 'remind']);
});

test('a repeated delivery schedules nothing again', () => {
  using folder = temporaryFolder();
  using pod = openJobs(folder.file('pod'), jobs);
  const identity = { key: 'interaction:1', guildId: GUILD, bodyHash: null, retentionMs: 1_000 };
  for (let delivery = 0; delivery < 2; delivery++) {
    const context = pod.context(GUILD, pod.store.ledger.memo(identity));
    context.schedule('close', 1);
    context.transaction(() => context.schedule('remind', 2, { inMs: 1 }));
  }
  assert.deepEqual(waitingJobs(pod.store), ['close', 'remind']);
});

test('a job is replaced and cancelled by its name and key, in its guild alone', () => {
  using folder = temporaryFolder();
  using pod = openJobs(folder.file('pod'), jobs);
  const [context, other] = [pod.context(), pod.context(OTHER_GUILD)];
  context.schedule('close', 1, { key: '7', inMs: 10 });
  other.schedule('close', 2, { key: '7', inMs: 20 });
  context.schedule('remind', 3, { key: '7', inMs: 30 });
  context.schedule('close', 4, { key: '7', inMs: 40 });
  const list = () => pod.store.jobs.due(pod.clock.now(), 9, new Set()).map(({ payload }) => payload);
  pod.clock.advance(50);
  assert.deepEqual(list(), ['2', '3', '4']);
  assert.equal(context.cancel('close', '7'), true);
  assert.equal(context.cancel('close', '7'), false);
  assert.deepEqual(list(), ['2', '3']);
});

test('a job without a key replaces nothing', () => {
  using folder = temporaryFolder();
  using pod = openJobs(folder.file('pod'), jobs);
  for (let i = 0; i < 2; i++) pod.context().schedule('close', i);
  assert.deepEqual(waitingJobs(pod.store), ['close', 'close']);
});

test('what cannot be scheduled is refused, with what to do', () => {
  using folder = temporaryFolder();
  using pod = openJobs(folder.file('pod'), jobs);
  const context = pod.context();
  const refused = (work: () => void, message: RegExp) =>
    assert.throws(work, (error: Error & { code?: string }) => {
      assert.equal(error.code, 'JOB_INVALID');
      assert.match(error.message, message);
      return true;
    });
  refused(() => context.schedule('clsoe', 1), /no job "clsoe": its jobs are close, remind/);
  refused(() => context.cancel('clsoe', '1'), /no job "clsoe"/);
  refused(
    () => context.schedule('close', 1, { key: '' }),
    /the key of a job is a string of 1 to 200 characters, not ""/,
  );
  refused(() => context.schedule('close', 1, { at: Number.NaN }), /cannot be due at NaN/);
  refused(() => context.schedule('close', 1, { at: 1, inMs: 1 } as never), /not both/);
  refused(() => context.schedule('close', 'x'.repeat(70_000)), /70002 characters long; the limit is 65536/);
  const elsewhere = Object.assign(pod.context(null), { pod: 2 });
  refused(() => elsewhere.schedule('close', 1), /without a guild runs at pod 0, and this is pod 2/);
  assert.deepEqual(waitingJobs(pod.store), []);
});

test('a moment that has passed means now', () => {
  using folder = temporaryFolder();
  using pod = openJobs(folder.file('pod'), jobs);
  pod.context().schedule('close', 1, { at: new Date(0) });
  assert.equal(pod.store.jobs.due(pod.clock.now(), 1, new Set())[0]?.dueAt, pod.clock.now());
});
