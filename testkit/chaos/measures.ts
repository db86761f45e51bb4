import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { INTERACTIONS } from './clients.ts';
import { restartInOrder } from './injector.ts';
import { percentile } from './latency.ts';
import type { Entry } from './recorder.ts';
import { type ChaosOptions, type ChaosReport, runChaos } from './run.ts';

/** One thing that was asked for, and what was seen. */
export interface Criterion {
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

/** Each failure counts, those that a client repeated included. They are listed by kind, for a count alone explains nothing. */
function noFailedRequests(entries: readonly Entry[]): Criterion {
  const failures = entries.flatMap(({ via, failedRequests }) => failedRequests.map((why) => `${via}: ${why}`));
  const kinds = [...Map.groupBy(failures, (failure) => failure)].map(
    ([failure, { length }]) => `${length} × ${failure}`,
  );
  return criterion('failed requests', '0', kinds.join(', ') || 0, failures.length === 0);
}

/** Deferred interactions and how they ended belong to every measurement. */
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

/**
 * One owner is killed under load and started again after 10 s. Measured against a run without the kill.
 * @param options its `seconds` are those of each of the two runs
 */
export async function measureOwnerKill(options: MeasureOptions): Promise<Measurement> {
  const { directory, ...rest } = options;
  const load = { ...rest, mix: INTERACTIONS, slowShare: 0, kinds: [], everyMs: 1_000 };
  const folder = (name: string) => (directory === undefined ? {} : { directory: join(directory, name) });
  const calm = await runChaos({ ...load, ...folder('without-kill'), script: async () => {} });
  let backAt = Number.NaN;
  const report = await runChaos({
    ...load,
    ...folder('with-kill'),
    async script({ gatewayPods }) {
      const victim = gatewayPods[VICTIM];
      if (victim === undefined) throw new Error('killing an owner needs two gateway pods or more');
      await sleep((options.seconds * 1_000) / 3);
      await victim.kill('SIGKILL');
      await sleep(10_000);
      victim.spawn();
      await victim.ready(READY_MS);
      backAt = performance.now();
    },
  });
  const deferred = report.entries.filter((entry) => entry.wasDeferred);
  const latest = Math.max(0, ...deferred.map((entry) => (entry.settledAt as number) - backAt));
  const before = othersP99(calm);
  const during = othersP99(report);
  return conclude(report, [
    ...historyCriteria(report),
    none('without a valid response within 3 s', report.unanswered),
    none('refused or unknown', report.verdict.fates.refused + report.verdict.fates.unknown),
    criterion('deferred', 'some', deferred.length, deferred.length > 0),
    criterion(
      'last completion after the owner was back',
      '5000 ms or less',
      `${Math.round(latest)} ms`,
      latest <= 5_000,
    ),
    criterion(
      'p99 of other owners, to that of a run without the kill',
      '1.5 or less',
      `${(during / before).toFixed(2)} (${during.toFixed(1)} ms to ${before.toFixed(1)} ms)`,
      during <= 1.5 * before,
    ),
  ]);
}

function othersP99({ entries, topology }: ChaosReport): number {
  const waits = entries
    .filter(({ guildId, answeredAt }) => answeredAt !== null && topology.ownerOf(guildId) !== VICTIM)
    .map(({ answeredAt, sentAt }) => (answeredAt as number) - sentAt);
  return percentile(waits, 0.99);
}

/** Every pod is restarted in order, one after the other, while everything is used. */
export async function measureRolling(options: MeasureOptions): Promise<Measurement> {
  let restarted = 0;
  const report = await runChaos({
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
