import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { INTERACTIONS } from './clients.ts';
import { restartInOrder } from './injector.ts';
import { percentile } from './latency.ts';
import type { Entry } from './recorder.ts';
import { type ChaosOptions, type ChaosReport, runChaos } from './run.ts';

/** A requirement and the measured value. */
interface Criterion {
  readonly what: string;
  readonly wanted: string;
  readonly seen: string;
  readonly met: boolean;
}

export interface Measurement {
  readonly report: ChaosReport;
  readonly criteria: readonly Criterion[];
  readonly ok: boolean;
}

type MeasureOptions = Omit<ChaosOptions, 'mix' | 'slowShare' | 'kinds' | 'everyMs' | 'script'>;

const VICTIM = 1;
const READY_MS = 60_000;
const BETWEEN_RESTARTS_MS = 500;

function criterion(what: string, wanted: string, seen: number | string, met: boolean): Criterion {
  return { what, wanted, seen: String(seen), met };
}

const none = (what: string, count: number): Criterion => criterion(what, '0', count, count === 0);

/** Counts all failed requests, including those that a client repeated, and lists them by kind. */
function noFailedRequests(entries: readonly Entry[]): Criterion {
  const failures = entries.flatMap(({ via, failedRequests }) => failedRequests.map((why) => `${via}: ${why}`));
  const kinds = [...Map.groupBy(failures, (failure) => failure)].map(
    ([failure, { length }]) => `${length} × ${failure}`,
  );
  return criterion('failed requests', '0', kinds.join(', ') || 0, failures.length === 0);
}

/** The criteria that every measurement shares. */
function historyCriteria({ verdict, hintsLeft, failures }: ChaosReport): Criterion[] {
  const { lost, doubled, misplaced, contradicted, stray, unresolved } = verdict.problems;
  return [
    none('lost', lost),
    none('doubled', doubled),
    none('misplaced, refused but applied, or stray', misplaced + contradicted + stray),
    none('deferred and never completed', unresolved),
    none('hints left', hintsLeft),
    criterion('other failures', 'none', failures.join('; ') || 'none', failures.length === 0),
  ];
}

const conclude = (report: ChaosReport, criteria: readonly Criterion[]): Measurement => ({
  report,
  criteria,
  ok: criteria.every(({ met }) => met),
});

/** Runs a measurement. Keeps databases and logs if it fails or if the caller chose the folder. */
async function inFolder(
  options: MeasureOptions,
  measure: (options: MeasureOptions) => Promise<Measurement>,
): Promise<Measurement> {
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'guildway-chaos-')));
  const measurement = await measure({ ...options, directory });
  if (!measurement.ok) return { ...measurement, report: { ...measurement.report, directory } };
  if (options.directory === undefined) await rm(directory, { recursive: true, force: true });
  return measurement;
}

/** An interval of a run, on the clock of `performance.now()`. */
interface Window {
  readonly from: number;
  readonly until: number;
}

/** How long all owners run before each kill, and how long the victim stays away. */
const CALM_MS = 8_000;
const AWAY_MS = 10_000;
/** A machine with enough CPU time for the load responds in a tenth of this. */
const CALM_P99_MS = 500;

/**
 * Repeatedly kills one owner under load and restarts it after 10 s. Compares the latency of other owners during its absence with
 * the latency right before, because a temporarily busy machine slows both.
 */
export const measureOwnerKill = (options: MeasureOptions): Promise<Measurement> => inFolder(options, ownerKill);

async function ownerKill(options: MeasureOptions): Promise<Measurement> {
  const windows: Readonly<Record<'calm' | 'away' | 'starting', Window[]>> = { calm: [], away: [], starting: [] };
  const report = await runChaos({
    ...options,
    ...{ mix: INTERACTIONS, slowShare: 0, kinds: [], everyMs: 1_000 },
    async script({ gatewayPods }) {
      const victim = gatewayPods[VICTIM];
      if (victim === undefined) throw new Error('--owner-kill needs at least two gateway pods');
      const endAt = performance.now() + options.seconds * 1_000;
      do {
        const marks = [performance.now()];
        const mark = (): unknown => marks.push(performance.now());
        await sleep(CALM_MS);
        mark();
        await victim.kill('SIGKILL');
        await sleep(AWAY_MS);
        mark();
        victim.spawn();
        await victim.ready(READY_MS);
        mark();
        const [calm, killed, spawned, ready] = marks as [number, number, number, number];
        windows.calm.push({ from: calm, until: killed });
        windows.away.push({ from: killed, until: spawned });
        windows.starting.push({ from: spawned, until: ready });
      } while (performance.now() + CALM_MS + AWAY_MS < endAt);
    },
  });
  const [calm, away, starting] = [windows.calm, windows.away, windows.starting].map((parts) =>
    othersP99(report, parts),
  ) as [number, number, number];
  const latest = lastCompletion(report, windows);
  return conclude(report, [
    ...historyCriteria(report),
    none('without a valid response within 3 s', report.unanswered),
    none('refused or unknown', report.verdict.fates.refused + report.verdict.fates.unknown),
    criterion('deferred', 'some', report.deferred, report.deferred > 0),
    criterion(
      'last completion after the owner was back',
      '5000 ms or less',
      `${Math.round(latest)} ms`,
      latest <= 5_000,
    ),
    criterion(
      'p99 of other owners before',
      `${CALM_P99_MS} ms or less; above that, the machine is too busy for this load and the other figures mean nothing`,
      `${calm.toFixed(1)} ms`,
      calm <= CALM_P99_MS,
    ),
    criterion(
      'p99 of other owners while one is away, relative to before',
      '1.5 or less',
      `${(away / calm).toFixed(2)} (${away.toFixed(1)} ms to ${calm.toFixed(1)} ms)`,
      away <= 1.5 * calm,
    ),
    // Here the restarting pod competes with the others for CPU time. In a cluster it would have its own.
    criterion('p99 of other owners while it restarts', 'any', `${starting.toFixed(1)} ms`, true),
  ]);
}

const isIn = ({ sentAt }: Entry, windows: readonly Window[]): boolean =>
  windows.some(({ from, until }) => from <= sentAt && sentAt < until);

function othersP99({ entries, topology }: ChaosReport, windows: readonly Window[]): number {
  const waits = entries
    .filter((entry) => isIn(entry, windows) && topology.ownerOf(entry.guildId) !== VICTIM)
    .map(({ answeredAt, sentAt }) => (answeredAt ?? Number.POSITIVE_INFINITY) - sentAt);
  return percentile(waits, 0.99);
}

/** The time from an owner's return to the completion of the last interaction that was sent during its absence. */
function lastCompletion(report: ChaosReport, { away, starting }: Record<'away' | 'starting', Window[]>): number {
  return away.reduce((latest, { from }, round) => {
    const until = starting[round]?.until ?? Number.NaN;
    const deferred = report.entries.filter((entry) => entry.wasDeferred && isIn(entry, [{ from, until }]));
    return Math.max(latest, ...deferred.map(({ settledAt }) => (settledAt ?? Number.POSITIVE_INFINITY) - until));
  }, 0);
}

/** Clients wait for a whole restart, which can take long on a busy machine. */
const RESTART_MS = 30_000;

/** Restarts all pods under load, one at a time. */
export const measureRolling = (options: MeasureOptions): Promise<Measurement> => inFolder(options, rolling);

async function rolling(options: MeasureOptions): Promise<Measurement> {
  let restarted = 0;
  const report = await runChaos({
    requestTimeoutMs: RESTART_MS,
    ...options,
    slowShare: 0,
    kinds: [],
    everyMs: 1_000,
    async script(cluster) {
      await sleep(2_000);
      for (const pod of [...cluster.gatewayPods, ...cluster.httpPods]) {
        await restartInOrder(cluster, pod, READY_MS);
        restarted++;
        await sleep(BETWEEN_RESTARTS_MS);
      }
    },
  });
  const pods = options.gatewayPods + options.httpPods;
  return conclude(report, [
    criterion('pods restarted', `${pods}`, restarted, restarted === pods),
    ...historyCriteria(report),
    noFailedRequests(report.entries),
    none('refused or unknown', report.verdict.fates.refused + report.verdict.fates.unknown),
    criterion('deferred', 'any', report.deferred, true),
  ]);
}
