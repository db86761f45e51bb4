/** The steps of the staging run and the checks after them, for every platform. */
import { setTimeout as sleep } from 'node:timers/promises';
import { checkHistory, type Operation, type Row, type Verdict } from '../../testkit/chaos/history.ts';
import { Driver, type Sample } from './driver-client.ts';
import { NOTE } from './load.ts';
import { gatewayName, type Platform, until } from './platform.ts';
import { MORE_PODS, resizeGateways } from './resize.ts';

type Say = (line: string) => void;

export interface RunOptions {
  readonly interactionsPerSecond: number;
  readonly pagesPerSecond: number;
  readonly say: Say;
}

/** An action on the system, and its effects on users. */
export interface Phase {
  readonly title: string;
  readonly seconds: number;
  readonly samples: readonly Sample[];
  /** Observations besides the users' responses. */
  readonly notes: readonly string[];
  /** Violations of the requirements. */
  readonly problems: readonly string[];
}

export interface RunResult {
  readonly platform: string;
  readonly phases: readonly Phase[];
  readonly verdict: Verdict;
  /** Operations that were lost with a volume: acknowledged, but not yet in the backup. */
  readonly lostWithVolume: number;
  readonly integrity: readonly string[];
  readonly problems: readonly string[];
  readonly passed: boolean;
}

/** The effects on users that a phase allows. */
interface Allowed {
  /** Deferred responses. */
  readonly deferrals: boolean;
  /** 503 for a page of a guild whose owner is away. */
  readonly unavailable: boolean;
}
/** A phase in progress. Times are on the driver's clock. */
interface Step {
  readonly title: string;
  readonly allowed: Allowed;
  readonly notes: readonly string[];
  readonly from: number;
  readonly until: number;
}

const NOTHING: Allowed = { deferrals: false, unavailable: false };
/** No failures. A new HTTP pod that has not reached an owner yet may respond with a deferral. */
const NO_FAILURES: Allowed = { deferrals: true, unavailable: false };
/** No failures, but requests for an absent owner may wait for it. */
const OWNERS_AWAY: Allowed = { deferrals: true, unavailable: true };

const CALM_MS = 3_000;
/** The multiple of the usual load for the autoscaler, and its time limit. Its metrics are half a minute old. */
const BUSY = 6;
const AUTOSCALER_MS = 240_000;
/** After a restore, rows that were written this long before the loss may be missing. */
const BACKUP_LAG_MS = 5_000;

/** Reads the notes of the run and checks the whole database. Runs in the pod with its Node. */
const READ_DATABASE = `
const { DatabaseSync } = require('node:sqlite');
const db = new DatabaseSync(process.env.DATABASE_PATH, { readOnly: true, timeout: 5000 });
const rows = db.prepare("SELECT guild_id AS guildId, reason FROM cases WHERE kind = 'note' AND reason LIKE '${NOTE}%'").all();
const [{ integrity_check: integrity }] = db.prepare('PRAGMA integrity_check(1)').all();
process.stdout.write(JSON.stringify({ rows, integrity }));
`;

export async function runStaging(platform: Platform, options: RunOptions): Promise<RunResult> {
  const { say, interactionsPerSecond, pagesPerSecond } = options;
  const driver = new Driver(() => platform.driverUrl());
  const steps: Step[] = [];
  const ordinals = Array.from({ length: platform.gatewayPods }, (_, ordinal) => ordinal);
  const { topology } = platform;

  /** Runs an action under load and judges the responses of that time. */
  async function phase(title: string, allowed: Allowed, work: (note: Say) => Promise<void>): Promise<void> {
    say(title);
    const notes: string[] = [];
    const from = await driver.now();
    await work((line) => notes.push(line));
    await sleep(CALM_MS);
    const until = await driver.now();
    const step = { title, allowed, notes, from, until };
    steps.push(step);
    const { problems } = toPhase(step, await driver.samples());
    for (const line of [...notes, ...problems.map((problem) => `PROBLEM: ${problem}`)]) say(`  ${line}`);
  }

  const deployedAt = performance.now();
  say(`deploying: ${platform.description}`);
  await platform.deploy();
  say(`  ready after ${((performance.now() - deployedAt) / 1_000).toFixed(0)} s`);
  say(`  ${(await checkNames(platform)).join('\n  ')}`);

  await driver.setRate(interactionsPerSecond, pagesPerSecond);
  await phase('route: the owner of every guild responds', NOTHING, async (note) => {
    await sleep(10_000);
    const samples = await driver.samples();
    const answered = samples.filter(({ pod }) => pod !== null);
    const wrong = answered.filter(({ pod, guildId }) => Number(pod) !== topology.ownerOf(guildId));
    const through = [...new Set(answered.map(({ httpPod }) => httpPod))].toSorted();
    if (wrong.length > 0) throw new Error(`${wrong.length} requests reached a pod that does not own the guild`);
    note(`${answered.length} requests through ${through.join(' and ')}, all handled by the guild's owner`);
  });

  await phase('kill gateway-1 and bring it back with its volume', OWNERS_AWAY, () => platform.killGateway(1));

  await phase('gateway pods restart with other addresses', OWNERS_AWAY, async (note) => {
    const moved = await platform.moveGateways([1, 2].filter((ordinal) => ordinal < platform.gatewayPods));
    for (const { ordinal, before, after } of moved) note(`${gatewayName(ordinal)}: ${before} -> ${after}`);
  });

  await phase('rolling restart of all gateway pods', OWNERS_AWAY, () => platform.restartGateways());

  await phase(`gateway pods ${platform.gatewayPods} -> ${MORE_PODS} -> ${platform.gatewayPods}`, OWNERS_AWAY, (note) =>
    resizeGateways(platform, note),
  );

  await phase('rolling update of the HTTP pods', NO_FAILURES, () => platform.restartHttp());

  await phase('HTTP pods 2 -> 10 -> 2', NO_FAILURES, async (note) => {
    const counts: number[] = [];
    for (const pods of [2, 10, 2]) {
      await platform.scaleHttp(pods);
      counts.push((await platform.httpPods()).length);
      await sleep(5_000);
    }
    note(counts.join(' -> '));
  });

  const { autoscaler } = platform;
  if ('unavailable' in autoscaler) say(`not done: the autoscaler under load (${autoscaler.unavailable})`);
  else
    await phase('the autoscaler follows the load', NO_FAILURES, async (note) => {
      const pods = async (): Promise<number> => (await platform.httpPods()).length;
      const before = await pods();
      await autoscaler.release();
      await driver.setRate(interactionsPerSecond * BUSY, pagesPerSecond * BUSY);
      let cpu = '';
      await until('more HTTP pods for more load', AUTOSCALER_MS, async () => {
        const { cpuPercent, targetPercent } = await autoscaler.status();
        if (cpuPercent !== null && cpuPercent > targetPercent)
          cpu = `${cpuPercent} % of the CPU requested, aim ${targetPercent} %`;
        return cpu !== '' && (await pods()) > before;
      });
      await sleep(30_000);
      const most = await pods();
      await driver.setRate(interactionsPerSecond, pagesPerSecond);
      await until('fewer HTTP pods for less load', AUTOSCALER_MS, async () => (await pods()) < most);
      note(`${before} -> ${most} pods at ${BUSY} times the load (${cpu}), and fewer again afterwards`);
    });

  let lostAt: number | null = null;
  if (typeof platform.loseVolume === 'function') {
    const { loseVolume } = platform;
    await phase('lose the volume of gateway-0 and restore it from the backup', OWNERS_AWAY, async (note) => {
      lostAt = await driver.now();
      await loseVolume(0);
      const log = await platform.logs(gatewayName(0));
      for (const line of log.split('\n')) if (/restored/i.test(line)) note(`gateway-0 says: ${messageOf(line)}`);
    });
  } else {
    say(`not done: lose a volume and restore it (${platform.loseVolume.unavailable})`);
  }

  say('checking every database against the responses that users received');
  await driver.setRate(0, 0);
  const unsettled = await driver.settle(30_000);
  const samples = await driver.samples();
  // Judges the whole history again, now with the last responses.
  const phases = steps.map((step) => toPhase(step, samples));
  const rows: Row[] = [];
  const integrity: string[] = [];
  for (const ordinal of ordinals) {
    const read = JSON.parse(await platform.run(gatewayName(ordinal), READ_DATABASE)) as DatabaseContents;
    integrity.push(`${gatewayName(ordinal)}: ${read.rows.length} notes, integrity ${read.integrity}`);
    for (const { guildId, reason } of read.rows) rows.push({ operation: reason, guildId, step: 0, pod: ordinal });
  }
  const { operations, lostWithVolume } = historyOf(samples, rows, (guildId) => topology.ownerOf(guildId) === 0, lostAt);
  const verdict = checkHistory(operations, rows, (guildId) => topology.ownerOf(guildId));
  const { violations } = await driver.stats();

  const problems = [
    ...phases.flatMap(({ title, problems }) => problems.map((problem) => `${title}: ${problem}`)),
    ...verdict.findings.slice(0, 20).map((finding) => `${finding.problem}: ${JSON.stringify(finding)}`),
    ...integrity.filter((line) => !line.endsWith('integrity ok')),
    ...(unsettled > 0 ? [`${unsettled} requests never completed`] : []),
    ...(violations.length > 0 ? [`violations of Discord's rules: ${JSON.stringify(violations.slice(0, 5))}`] : []),
  ];
  return {
    platform: platform.description,
    phases,
    verdict,
    lostWithVolume,
    integrity,
    problems,
    passed: problems.length === 0,
  };
}

interface DatabaseContents {
  readonly rows: readonly { readonly guildId: string; readonly reason: string }[];
  readonly integrity: string;
}

/** Checks that pods find one another through DNS and not through a hosts file. */
async function checkNames(platform: Platform): Promise<string[]> {
  const [httpPod] = await platform.httpPods();
  const script = `
    const { lookup } = require('node:dns/promises');
    const hosts = require('node:fs').readFileSync('/etc/hosts', 'utf8');
    if (/gateway-/.test(hosts)) throw new Error('a hosts file names the gateway pods');
    Promise.all([0, 1, 2].map((n) => lookup('gateway-' + n + '.gateway-internal'))).then((found) =>
      process.stdout.write(JSON.stringify(found.map(({ address }) => address))));`;
  const addresses = JSON.parse(await platform.run(httpPod as string, script)) as string[];
  return addresses.map((address, ordinal) => `${gatewayName(ordinal)}.gateway-internal is ${address}, by DNS`);
}

function toPhase({ title, allowed, notes, from, until }: Step, history: readonly Sample[]): Phase {
  const samples = history.filter(({ sentAt }) => sentAt >= from && sentAt < until);
  return { title, notes, samples, seconds: (until - from) / 1_000, problems: problemsOf(samples, allowed) };
}

function problemsOf(samples: readonly Sample[], allowed: Allowed): string[] {
  const problems: string[] = [];
  const complain = (what: string, found: readonly Sample[]): void => {
    if (found.length === 0) return;
    const reasons = [...new Set(found.map(({ problem }) => problem))].slice(0, 3).join('; ');
    problems.push(`${found.length} ${what} (${reasons})`);
  };
  complain(
    'requests failed',
    samples.filter(({ outcome }) => outcome === 'failed'),
  );
  complain(
    'interactions got an apology',
    samples.filter(({ outcome, fate }) => outcome === 'answered' && fate === 'unknown'),
  );
  if (!allowed.deferrals)
    complain(
      'interactions were deferred',
      samples.filter(({ outcome }) => outcome === 'deferred'),
    );
  if (!allowed.unavailable)
    complain(
      'pages were unavailable',
      samples.filter(({ outcome }) => outcome === 'unavailable'),
    );
  return problems;
}

/** The history for the check. Operations that a lost volume may have contained count as unknown. @returns also the number lost */
function historyOf(
  samples: readonly Sample[],
  rows: readonly Row[],
  wasOnLostVolume: (guildId: string) => boolean,
  lostAt: number | null,
): { operations: Operation[]; lostWithVolume: number } {
  const present = new Set(rows.map(({ operation }) => operation));
  let lostWithVolume = 0;
  const operations = samples.flatMap((sample): Operation[] => {
    const { id, guildId, fate, sentAt, elapsedMs, settledMs } = sample;
    if (fate === null) return [];
    const toldAt = sentAt + (settledMs ?? elapsedMs);
    const atRisk =
      lostAt !== null && wasOnLostVolume(guildId) && toldAt > lostAt - BACKUP_LAG_MS && sentAt < lostAt + 1_000;
    const gone = atRisk && (fate === 'acknowledged' || fate === 'completed') && !present.has(id);
    if (gone) lostWithVolume++;
    return [{ id, guildId, via: 'interaction', steps: 1, fate: gone ? 'unknown' : fate }];
  });
  return { operations, lostWithVolume };
}

function messageOf(line: string): string {
  try {
    return (JSON.parse(line) as { msg: string }).msg;
  } catch {
    return line;
  }
}
