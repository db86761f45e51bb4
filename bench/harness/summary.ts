import type { RunResult } from '../generator/main.ts';
import type { PeerResult, WorkloadResult } from './rounds.ts';
import { ratio, type Spread, spread } from './statistics.ts';
import { targetOf } from './targets.ts';

/** One line of a table: what a peer showed in all rounds. Plain data, as it is written to the JSON file. */
export interface Row {
  readonly id: string;
  readonly title: string;
  readonly role: 'ours' | 'peer' | 'floor';
  /** What `cost` counts. */
  readonly unit: string;
  /** What one unit of work costs. */
  readonly cost: Spread;
  /** Our cost divided by this one's, round by round; null for ourselves and where we did not run. */
  readonly ours: Spread | null;
  /** The ratio that was to be reached, or null. */
  readonly target: number | null;
  /** Null where nothing is counted. */
  readonly perSecond: Spread | null;
  /** Milliseconds; null where nothing has a latency. */
  readonly latency: { readonly p50: Spread; readonly p99: Spread; readonly p999: Spread } | null;
  readonly peakMemoryMB: number | null;
  /** How long the answers took that a pod which is away could not give, in milliseconds; infinite when none had come; null where no pod is away. */
  readonly awayP50: Spread | null;
  /** The share of its core that the process under test was busy. */
  readonly busy: Spread | null;
  readonly failed: number;
}

export interface Table {
  readonly id: string;
  readonly title: string;
  readonly note: string;
  readonly rows: readonly Row[];
  readonly skipped: readonly string[];
}

const costOf = ({ cpuMicroseconds, requests, away }: RunResult): number =>
  cpuMicroseconds / (requests + (away?.requests ?? 0));

/** Condenses the rounds of a workload. */
export function summarize({ workload, results, skipped }: WorkloadResult): Table {
  const ours = results.find(({ peer }) => peer.role === 'ours');
  return {
    id: workload.id,
    title: workload.title,
    note: `${workload.connections} connections, a request under way on each`,
    rows: results.map((result) => rowOf(workload.id, result, ours)),
    skipped: skipped.map(({ peer, why }) => `${peer.title} (${why})`),
  };
}

function rowOf(workload: string, { peer, rounds }: PeerResult, ours: PeerResult | undefined): Row {
  const each = (pick: (round: RunResult) => number): Spread => spread(rounds.map(pick));
  return {
    id: peer.id,
    title: peer.title,
    role: peer.role,
    unit: 'µs CPU per request',
    cost: each(costOf),
    ours: ours === undefined || peer.role === 'ours' ? null : ratio(ours.rounds.map(costOf), rounds.map(costOf)),
    target: targetOf(workload, peer.id),
    perSecond: each(({ requests, elapsedMs }) => (requests / elapsedMs) * 1000),
    latency: {
      p50: each(({ latency }) => latency.p50),
      p99: each(({ latency }) => latency.p99),
      p999: each(({ latency }) => latency.p999),
    },
    peakMemoryMB: Math.max(...rounds.map(({ peakMemory }) => peakMemory)) / 1e6,
    busy: each(({ cpuMicroseconds, elapsedMs }) => cpuMicroseconds / 1000 / elapsedMs),
    awayP50: rounds[0]?.away
      ? each(({ away }) => (away?.requests ? away.latency.p50 : Number.POSITIVE_INFINITY))
      : null,
    failed: rounds.reduce((sum, { failed }) => sum + failed, 0),
  };
}
