// Of src/gateway/jobs/execution.ts, backoff.ts and admin.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JobContext } from '../../../../src/bot/jobs.ts';
import type { Faults } from '../../../../src/gateway/faults.ts';
import { jobActions, jobSummary } from '../../../../src/gateway/jobs/admin.ts';
import { ATTEMPTS, pauseAfter } from '../../../../src/gateway/jobs/backoff.ts';
import { openJobs, waitingJobs } from '../../../support/jobs.ts';
import { notesOf, temporaryFolder } from '../../../support/store.ts';

const note = (context: JobContext, text: string): void =>
  context.transaction((db) => {
    db.run('INSERT INTO notes (guild_id, text) VALUES (?, ?)', context.guildId, text);
  });

test("a job's writes and its removal commit together", async () => {
  using folder = temporaryFolder();
  let failing = true;
  const faults: Faults = { has: (fault) => fault === 'fail-commit' && failing, killAt: () => {} };
  using pod = openJobs(
    folder.file('pod'),
    { write: { run: (text: string, context) => note(context, text) } },
    { faults },
  );
  failing = false;
  pod.context().schedule('write', 'done');
  await pod.store.connection.settled();
  failing = true;
  await assert.rejects(pod.runDue(), { code: 'STORE_FAILED' });
  assert.deepEqual([notesOf(pod.store), waitingJobs(pod.store)], [[], ['write']]);
  failing = false;
  assert.deepEqual(await pod.runDue(), ['ok']);
  assert.deepEqual([notesOf(pod.store), waitingJobs(pod.store)], [['done'], []]);
});

test('a job gets its payload and says which attempt it is', async () => {
  using folder = temporaryFolder();
  const seen: unknown[] = [];
  using pod = openJobs(folder.file('pod'), { see: { run: (payload, { job }) => void seen.push(payload, job) } });
  pod.context().schedule('see', { id: 12345678901234567890n }, { key: 'k', inMs: 10 });
  pod.clock.advance(30);
  await pod.runDue();
  const dueAt = pod.clock.now() - 20;
  assert.deepEqual(seen, [{ id: 12345678901234567890n }, { name: 'see', key: 'k', dueAt, attempt: 1 }]);
});

test('a job that fails after a transaction does not run that transaction again', async () => {
  using folder = temporaryFolder();
  const run = async (_: unknown, context: JobContext) => {
    assert.equal(
      context.transaction(() => 'first'),
      'first',
    );
    note(context, `after attempt ${context.job.attempt}`);
    await context.durable();
    if (context.job.attempt < 3) throw new Error('Discord is away');
    note(context, 'end');
  };
  using pod = openJobs(folder.file('pod'), { slow: { run } });
  pod.context().schedule('slow', null);
  for (const outcome of ['failed', 'failed', 'ok']) {
    assert.deepEqual(await pod.runDue(), [outcome]);
    pod.clock.advance(3_600_000);
  }
  assert.deepEqual(notesOf(pod.store), ['after attempt 1', 'end']);
});

test('a transaction that threw runs again, the one after it does not', async () => {
  using folder = temporaryFolder();
  const run = (_: unknown, context: JobContext) => {
    try {
      context.transaction(() => {
        if (context.job.attempt === 1) throw new Error('not yet');
        return 'first';
      });
    } catch {
      // The next transaction is recorded all the same.
    }
    note(context, 'second');
    if (context.job.attempt === 1) throw new Error('again');
  };
  using pod = openJobs(folder.file('pod'), { gaps: { run } });
  pod.context().schedule('gaps', null);
  assert.deepEqual(await pod.runDue(), ['failed']);
  pod.clock.advance(3_600_000);
  assert.deepEqual(await pod.runDue(), ['ok']);
  assert.deepEqual(notesOf(pod.store), ['second']);
});

test('a job that fails waits longer each time; after its last attempt an operator decides', async () => {
  using folder = temporaryFolder();
  const run = () => {
    throw new Error('no permission');
  };
  using pod = openJobs(folder.file('pod'), { fails: { run, attempts: 3 } });
  const { store, clock } = pod;
  pod.context().schedule('fails', null, { key: 'k' });
  assert.deepEqual(await pod.runDue(), ['failed']);
  clock.advance(999);
  assert.deepEqual(await pod.runDue(), []);
  clock.advance(1);
  assert.deepEqual(await pod.runDue(), ['failed']);
  clock.advance(2_000);
  assert.deepEqual(await pod.runDue(), ['set-aside']);
  clock.advance(86_400_000);
  assert.deepEqual(await pod.runDue(), []);
  const { setAside, setAsideJobs } = jobSummary(store) as {
    setAside: number;
    setAsideJobs: { id: string; reason: string }[];
  };
  assert.equal(setAside, 1);
  const [job] = setAsideJobs;
  assert.equal(job?.reason, 'no permission');
  const actions = jobActions(store);
  assert.throws(() => actions['/jobs/run']?.({}), { code: 'REQUEST_INVALID' });
  assert.deepEqual(actions['/jobs/run']?.({ id: job?.id }), { running: 1 });
  assert.deepEqual(await pod.runDue(), ['failed']);
  for (const pauseMs of [1_000, 2_000]) {
    clock.advance(pauseMs);
    await pod.runDue();
  }
  assert.deepEqual(actions['/jobs/drop']?.({ all: true }), { dropped: 1 });
  assert.deepEqual({ ...store.jobs.counts() }, { waiting: 0, setAside: 0, nextAt: null });
});

test('the attempts of a job take about an hour', () => {
  const pauses = Array.from({ length: ATTEMPTS - 1 }, (_, i) => pauseAfter(i + 1, () => 0));
  assert.deepEqual(pauses.slice(0, 4), [1_000, 2_000, 4_000, 8_000]);
  assert.equal(Math.max(...pauses), 600_000);
  const minutes = pauses.reduce((sum, ms) => sum + ms, 0) / 60_000;
  assert.ok(minutes > 50 && minutes < 70, `${minutes} minutes`);
  assert.equal(
    pauseAfter(1, () => 1),
    1_200,
  );
});

test('a job whose process ends in each attempt is set aside', async () => {
  using folder = temporaryFolder();
  let ran = 0;
  using pod = openJobs(folder.file('pod'), { crashes: { run: () => void ran++, attempts: 2 } });
  pod.context().schedule('crashes', null);
  await pod.store.connection.settled();
  // The process ends after it has begun.
  for (let i = 0; i < 2; i++) pod.store.jobs.begin(pod.store.jobs.due(pod.clock.now(), 1, new Set()));
  assert.deepEqual(await pod.runDue(), ['set-aside']);
  assert.equal(ran, 0);
});

test('a job that this version of the bot does not have waits for another version', async () => {
  using folder = temporaryFolder();
  {
    using old = openJobs(folder.file('pod'), { old: { run: () => {} } });
    old.context().schedule('old', null);
    await old.store.connection.settled();
  }
  using pod = openJobs(folder.file('pod'), { new: { run: () => {} } });
  assert.deepEqual(await pod.runDue(), ['failed']);
  assert.deepEqual(waitingJobs(pod.store), ['old']);
});

test('a job that is cancelled or replaced while it runs writes nothing more', async () => {
  using folder = temporaryFolder();
  for (const how of ['cancel', 'replace'] as const) {
    const gate = Promise.withResolvers<void>();
    const run = async (text: string, context: JobContext) => {
      if (text === 'old') await gate.promise;
      note(context, text);
    };
    using pod = openJobs(folder.file(how), { write: { run } });
    pod.context().schedule('write', 'old', { key: 'k' });
    const running = pod.runDue();
    await pod.store.connection.settled();
    if (how === 'cancel') pod.context().cancel('write', 'k');
    else pod.context().schedule('write', 'new', { key: 'k' });
    gate.resolve();
    assert.deepEqual(await running, ['cancelled']);
    await pod.runDue();
    assert.deepEqual(notesOf(pod.store), how === 'cancel' ? [] : ['new']);
  }
});

test('a job may schedule its successor under its own key, and does not cancel itself', async () => {
  using folder = temporaryFolder();
  const run = (n: number, context: JobContext) =>
    context.transaction((db) => {
      context.schedule('again', n + 1, { key: 'k', inMs: 10 });
      db.run('INSERT INTO notes (guild_id, text) VALUES (?, ?)', context.guildId, String(n));
    });
  using pod = openJobs(folder.file('pod'), {
    again: { run },
    ends: { run: (_, context) => note(context, String(context.cancel('ends', 'k'))) },
  });
  pod.context().schedule('again', 1, { key: 'k' });
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(await pod.runDue(), ['ok']);
    pod.clock.advance(10);
  }
  assert.deepEqual([notesOf(pod.store), waitingJobs(pod.store)], [['1', '2', '3'], ['again/k']]);
  pod.context().cancel('again', 'k');
  pod.context().schedule('ends', null, { key: 'k' });
  assert.deepEqual(await pod.runDue(), ['ok']);
  assert.equal(notesOf(pod.store).at(-1), 'false');
});

test('a job that does not end in time is tried again', async () => {
  using folder = temporaryFolder();
  const signals: AbortSignal[] = [];
  const run = (_: unknown, context: JobContext): Promise<void> | undefined => {
    signals.push(context.signal);
    return context.job.attempt === 1 ? new Promise(() => {}) : undefined;
  };
  using pod = openJobs(folder.file('pod'), { hangs: { run: run as () => void, timeoutMs: 5 } });
  pod.context().schedule('hangs', null);
  assert.deepEqual(await pod.runDue(), ['failed']);
  assert.equal(signals[0]?.aborted, true);
  pod.clock.advance(1_000);
  assert.deepEqual(await pod.runDue(), ['ok']);
});
