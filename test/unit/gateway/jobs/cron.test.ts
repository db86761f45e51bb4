// Of src/gateway/jobs/{cron-plans,cron-rows}.ts and src/bot/cron.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BotDefinition, defineBot } from '../../../../src/bot/index.ts';
import { readCronPlans } from '../../../../src/gateway/jobs/cron-plans.ts';
import { CronRows } from '../../../../src/gateway/jobs/cron-rows.ts';
import type { RequestDecision } from '../../../../src/moving/decide.ts';
import { asWallTime } from '../../../../src/time.ts';
import { GUILD, movedClock, openJobs, waitingJobs } from '../../../support/jobs.ts';
import { silent, temporaryFolder } from '../../../support/store.ts';

const HOUR_MS = 3_600_000;
const OTHER_GUILD = '81384788765712384';
type Crons = NonNullable<BotDefinition['cron']>;

/** A pod with cron jobs, in guilds that a test changes. */
async function openCrons(path: string, cron: Crons, { clock = movedClock(), pod = 0 } = {}) {
  const plans = await readCronPlans(cron);
  const guilds = new Set([GUILD, OTHER_GUILD]);
  let rows: CronRows | null = null;
  const jobs = openJobs(
    path,
    {},
    { clock, crons: plans, isRun: (plan, guildId) => rows?.isRun(plan, guildId) === true },
  );
  const { store } = jobs;
  const ownership = { decide: (): RequestDecision => ({ kind: 'serve' }) };
  rows = new CronRows({ plans, pod, store, ownership, members: () => guilds, log: silent });
  rows.start();
  await rows.update();
  const { [Symbol.dispose]: close, ...rest } = jobs;
  return {
    ...{ ...rest, rows, guilds },
    [Symbol.dispose]: () => {
      rows?.stop();
      close();
    },
  };
}

test('an interval is the same multiple of time at each pod; guilds are spread over it', async () => {
  const plans = await readCronPlans({ each: { every: '15m', per: 'guild', run: () => {} } });
  const plan = plans.get('cron:each');
  const noon = asWallTime(Date.UTC(2026, 0, 1, 12));
  const at = (after: number, guildId: string) => (plan?.next(asWallTime(after), guildId) ?? 0) - noon;
  assert.equal(at(noon, ''), 900_000);
  assert.equal(at(noon + 899_999, ''), 900_000);
  assert.equal(at(noon + 900_000, ''), 1_800_000);
  const moments = new Set(Array.from({ length: 50 }, (_, i) => at(noon, String((1n << 60n) + BigInt(i)))));
  assert.ok(moments.size > 45 && [...moments].every((ms) => ms > 0 && ms <= 900_000));
  assert.equal(at(noon + at(noon, GUILD), GUILD), at(noon, GUILD) + 900_000);
});

test('an expression is read in its time zone, through the change to summer time', async () => {
  const run = () => {};
  const plans = await readCronPlans({
    berlin: { cron: '0 3 * * *', timeZone: 'Europe/Berlin', per: 'cluster', run },
    utc: { cron: '0 3 * * *', per: 'cluster', run },
  });
  const next = (name: string, after: string) =>
    new Date(plans.get(`cron:${name}`)?.next(asWallTime(Date.parse(after)), '') ?? 0).toISOString();
  assert.equal(next('utc', '2026-01-01T03:00:00Z'), '2026-01-02T03:00:00.000Z');
  assert.equal(next('berlin', '2026-03-28T00:00:00Z'), '2026-03-28T02:00:00.000Z');
  assert.equal(next('berlin', '2026-03-28T12:00:00Z'), '2026-03-29T01:00:00.000Z');
});

test('what is not a time is refused, with its name', async () => {
  const run = () => {};
  const invalid = (cron: unknown, message: RegExp) =>
    assert.throws(() => defineBot({ name: 'b', cron: { c: cron } as Crons }), message);
  invalid({ every: '1 hour', per: 'pod', run }, /"c": every is "1 hour"; it must be a number with s, m, h or d/);
  invalid({ per: 'pod', run }, /"c" has either every or cron/);
  invalid({ every: '1h', timeZone: 'UTC', per: 'pod', run }, /a time zone belongs to a cron expression/);
  invalid({ every: '1h', per: 'shard', run }, /per is "shard"; it must be "guild", "pod" or "cluster"/);
  invalid({ every: '1h', per: 'pod' }, /has no run\(\)/);
  const refused = { code: 'BOT_INVALID', message: /the cron job c: "61 \* \* \* \*" in UTC/ };
  await assert.rejects(readCronPlans({ c: { cron: '61 * * * *', per: 'pod', run } }), refused);
  const noZone = { code: 'BOT_INVALID', message: /Europe\/Atlantis/ };
  await assert.rejects(
    readCronPlans({ c: { cron: '0 3 * * *', timeZone: 'Europe/Atlantis', per: 'pod', run } }),
    noZone,
  );
});

test('a run per guild happens once for each guild that the bot is in, and again after the interval', async () => {
  using folder = temporaryFolder();
  const ran: string[] = [];
  const run: Crons[string]['run'] = (context) => {
    context.transaction(() => {});
    ran.push(context.guildId ?? '');
  };
  using pod = await openCrons(folder.file('pod'), { clean: { every: '1h', per: 'guild', run } });
  pod.clock.advance(HOUR_MS);
  assert.deepEqual(await pod.runDue(), ['ok', 'ok']);
  assert.deepEqual(await pod.runDue(), []);
  assert.deepEqual(ran.toSorted(), [GUILD, OTHER_GUILD].toSorted());
  pod.guilds.delete(GUILD);
  pod.guilds.add('290926798999357250');
  await pod.rows.update();
  pod.clock.advance(HOUR_MS);
  ran.length = 0;
  await pod.runDue();
  assert.deepEqual(ran.toSorted(), [OTHER_GUILD, '290926798999357250'].toSorted());
});

test('missed runs are made up for once', async () => {
  using folder = temporaryFolder();
  const clock = movedClock();
  const due: number[] = [];
  const cron: Crons = { count: { every: '1h', per: 'pod', run: ({ job }) => void due.push(job.dueAt) } };
  {
    using pod = await openCrons(folder.file('pod'), cron, { clock });
    await pod.store.connection.settled();
  }
  clock.advance(5.5 * HOUR_MS);
  using pod = await openCrons(folder.file('pod'), cron, { clock });
  assert.deepEqual(await pod.runDue(), ['ok']);
  assert.deepEqual(await pod.runDue(), []);
  clock.advance(0.5 * HOUR_MS);
  assert.deepEqual(await pod.runDue(), ['ok']);
  assert.deepEqual(
    due.map((at) => (at - Date.UTC(2026, 0, 1)) / HOUR_MS),
    [1, 6],
  );
});

test('per cluster runs at pod 0 alone, per pod at each pod', async () => {
  using folder = temporaryFolder();
  const run = () => {};
  const cron: Crons = { all: { every: '1h', per: 'cluster', run }, each: { every: '1h', per: 'pod', run } };
  for (const [pod, expected] of [
    [0, ['cron:all/cron:all', 'cron:each/cron:each']],
    [1, ['cron:each/cron:each']],
  ] as const) {
    using crons = await openCrons(folder.file(String(pod)), cron, { pod });
    assert.deepEqual(waitingJobs(crons.store).toSorted(), expected);
  }
});

test('a run that fails is tried again until the next one is due, and is never set aside', async () => {
  using folder = temporaryFolder();
  const attempts: number[] = [];
  const run: Crons[string]['run'] = ({ job }) => {
    attempts.push(job.attempt);
    throw new Error('no');
  };
  using pod = await openCrons(folder.file('pod'), { fails: { every: '10s', per: 'pod', run } });
  for (let second = 0; second < 30; second++) {
    pod.clock.advance(1_000);
    for (const outcome of await pod.runDue()) assert.equal(outcome, 'failed');
  }
  assert.deepEqual(attempts, [1, 2, 3, 4, 1, 2, 3, 4, 1]);
  assert.equal(pod.store.jobs.counts().setAside, 0);
});

test('a run that is repeated after a kill continues where it stopped; the next one starts anew', async () => {
  using folder = temporaryFolder();
  let done = 0;
  const run: Crons[string]['run'] = (context) => {
    context.transaction(() => void done++);
    if (context.job.attempt === 1) throw new Error('once');
  };
  using pod = await openCrons(folder.file('pod'), { count: { every: '1h', per: 'pod', run } });
  for (const expected of [1, 2]) {
    pod.clock.advance(HOUR_MS);
    await pod.runDue();
    pod.clock.advance(1_000);
    await pod.runDue();
    assert.equal(done, expected);
  }
});

test('other times take the place of those before; a cron job that the bot no longer has ends', async () => {
  using folder = temporaryFolder();
  const clock = movedClock();
  const run = () => {};
  for (const [every, dueInMs] of [
    ['1d', 24 * HOUR_MS],
    ['1h', HOUR_MS],
  ] as const) {
    using pod = await openCrons(folder.file('pod'), { c: { every, per: 'pod', run } }, { clock });
    assert.equal(pod.store.jobs.nextAfter(clock.now()), clock.now() + dueInMs);
    await pod.store.connection.settled();
  }
  clock.advance(HOUR_MS);
  using pod = await openCrons(folder.file('pod'), {}, { clock });
  assert.deepEqual(await pod.runDue(), ['ok']);
  assert.equal(pod.store.jobs.counts().waiting, 0);
});
