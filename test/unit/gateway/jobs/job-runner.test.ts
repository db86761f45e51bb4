// Of src/gateway/jobs/job-runner.ts and start-jobs.ts.
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Registry } from 'prom-client';
import type { JobContext } from '../../../../src/bot/jobs.ts';
import { JobRunner } from '../../../../src/gateway/jobs/job-runner.ts';
import { createJobMetrics } from '../../../../src/gateway/jobs/metrics.ts';
import { GuildActivity } from '../../../../src/gateway/moving/guild-activity.ts';
import type { RequestDecision } from '../../../../src/moving/decide.ts';
import { asMonotonicTime } from '../../../../src/time.ts';
import { GUILD, movedClock, openJobs } from '../../../support/jobs.ts';
import { silent, temporaryFolder } from '../../../support/store.ts';

type Pod = ReturnType<typeof openJobs>;

/** A runner whose time is moved by `pass`. */
function runnerOf({ store, execution, clock }: Pod) {
  mock.timers.enable({ apis: ['setTimeout'] });
  let elapsedMs = 0;
  let changed = Promise.withResolvers<void>();
  const ownership = {
    decision: 'serve' as RequestDecision['kind'],
    decide: () => ({ kind: ownership.decision }) as RequestDecision,
    get changed() {
      return changed.promise;
    },
    set(decision: RequestDecision['kind']) {
      ownership.decision = decision;
      changed.resolve();
      changed = Promise.withResolvers();
    },
  };
  const activity = new GuildActivity();
  const runner = new JobRunner({
    ...{ store, execution, ownership, activity, log: silent },
    metrics: createJobMetrics(new Registry(), { waiting: () => 0, setAside: () => 0, overdueSeconds: () => 0 }),
    monotonic: () => asMonotonicTime(elapsedMs),
    random: () => 0.5,
  });
  return {
    ...{ runner, ownership, activity },
    /** Lets this much time pass, in steps of 5 ms. */
    async pass(ms: number) {
      for (let left = ms; left >= 0; left -= 5) {
        const step = Math.min(5, left);
        elapsedMs += step;
        clock.advance(step);
        mock.timers.tick(step);
        for (let turn = 0; turn < 4; turn++) await nextTurn();
      }
    },
    [Symbol.dispose]: () => {
      void runner.stop(0);
      mock.timers.reset();
    },
  };
}

test('a job runs when it is due, and not before', async () => {
  using folder = temporaryFolder();
  const ran: string[] = [];
  using pod = openJobs(folder.file('pod'), { say: { run: (text: string) => void ran.push(text) } });
  using running = runnerOf(pod);
  running.runner.start();
  pod.context().schedule('say', 'later', { inMs: 5_000 });
  pod.context().schedule('say', 'soon', { inMs: 40 });
  pod.context().schedule('say', 'now');
  await running.pass(10);
  assert.deepEqual(ran, ['now']);
  await running.pass(40);
  assert.deepEqual(ran, ['now', 'soon']);
  await running.pass(4_900);
  assert.equal(ran.length, 2);
  await running.pass(100);
  assert.deepEqual(ran, ['now', 'soon', 'later']);
});

test('late jobs run after a restart, after a random pause and at a bounded rate', async () => {
  using folder = temporaryFolder();
  const clock = movedClock();
  {
    using before = openJobs(folder.file('pod'), { count: { run: () => {} } }, { clock });
    before.context().transaction(() => {
      for (let i = 0; i < 200; i++) before.context().schedule('count', i);
    });
    await before.store.connection.settled();
  }
  clock.advance(3_600_000);
  let ran = 0;
  using pod = openJobs(folder.file('pod'), { count: { run: () => void ran++ } }, { clock });
  using running = runnerOf(pod);
  running.runner.start();
  await running.pass(240);
  assert.equal(ran, 0);
  await running.pass(15);
  assert.ok(ran >= 50 && ran <= 55, `${ran} at once`);
  await running.pass(100);
  assert.ok(ran > 60 && ran < 150, `${ran} of 200 in the first 100 ms`);
  await running.pass(300);
  assert.equal(ran, 200);
});

test('a failed job runs again after its pause', async () => {
  using folder = temporaryFolder();
  const attempts: number[] = [];
  const run = (_: unknown, { job }: JobContext) => {
    attempts.push(job.attempt);
    if (job.attempt === 1) throw new Error('once');
  };
  using pod = openJobs(folder.file('pod'), { fails: { run } });
  using running = runnerOf(pod);
  running.runner.start();
  pod.context().schedule('fails', null);
  await running.pass(950);
  assert.deepEqual(attempts, [1]);
  await running.pass(100);
  assert.deepEqual(attempts, [1, 2]);
});

test('no job runs while its guild is leaving; it runs when the guild stays or is here again', async () => {
  using folder = temporaryFolder();
  const ran: (string | null)[] = [];
  using pod = openJobs(folder.file('pod'), { say: { run: (_, { guildId }) => void ran.push(guildId) } });
  using running = runnerOf(pod);
  running.ownership.set('wait');
  running.runner.start();
  for (let i = 0; i < 100; i++) pod.context().schedule('say', i);
  pod.context(null).schedule('say', null, { inMs: 5 });
  await running.pass(1_500);
  assert.deepEqual(ran, [null]);
  running.ownership.set('serve');
  await running.pass(200);
  assert.deepEqual(ran.length, 101);
});

test('a guild is busy while its job runs, so that it does not move', async () => {
  using folder = temporaryFolder();
  const gate = Promise.withResolvers<void>();
  using pod = openJobs(folder.file('pod'), { slow: { run: () => gate.promise } });
  using running = runnerOf(pod);
  running.runner.start();
  pod.context().schedule('slow', null);
  await running.pass(10);
  assert.equal(running.activity.isBusy(GUILD), true);
  gate.resolve();
  await running.pass(10);
  assert.equal(running.activity.isBusy(GUILD), false);
});

test('a runner that stops starts nothing more, and waits for what runs', async () => {
  using folder = temporaryFolder();
  const gate = Promise.withResolvers<void>();
  let ran = 0;
  const run = () => {
    ran++;
    return gate.promise;
  };
  using pod = openJobs(folder.file('pod'), { slow: { run } });
  using running = runnerOf(pod);
  running.runner.start();
  pod.context().schedule('slow', null);
  await running.pass(10);
  const stopped = running.runner.stop(60_000);
  pod.context().schedule('slow', null);
  await running.pass(2_000);
  assert.deepEqual([ran, running.runner.running], [1, 1]);
  gate.resolve();
  await stopped;
  assert.equal(running.runner.running, 0);
});
