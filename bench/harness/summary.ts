import type { RunResult } from '../generator/main.ts';
import type { PeerResult, WorkloadResult } from './rounds.ts';
import { ratio, type Spread, spread } from './statistics.ts';
import { targetOf } from './targets.ts';

/** A row of a table: a peer's results over all rounds. Plain data for the JSON file. */
export interface Row {
  readonly id: string;
  readonly title: string;
  readonly role: 'ours' | 'peer' | 'floor';
  /** The unit of `cost`. */
  readonly unit: string;
  /** The cost of one unit of work. */
  readonly cost: Spread;
  /** Our cost divided by this peer's, round by round; null for ourselves or if we did not run. */
  readonly ours: Spread | null;
  /** The target for the ratio, or null. */
  readonly target: number | null;
  /** Null if nothing is counted. */
  readonly perSecond: Spread | null;
  /** Milliseconds; null without a latency. */
  readonly latency: { readonly p50: Spread; readonly p99: Spread; readonly p999: Spread } | null;
  readonly peakMemoryMB: number | null;
  /** The median latency of requests for the absent pod, in milliseconds; infinite without a response; null without an absent pod. */
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

/** Summarizes the rounds of a workload. */
export function summarize({ workload, results, skipped }: WorkloadResult): Table {
  const ours = results.find(({ peer }) => peer.role === 'ours');
  return {
    id: workload.id,
    title: workload.title,
    note: `${workload.connections} connections, one request in flight on each`,
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
