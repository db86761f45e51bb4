/**
 * The load generator, a separate process beside the upstream pods. Its IPC channel tells it what to send. It keeps one request in
 * flight on each of N connections (a closed loop), and reads the CPU time of the processes under test at the start and end of the
 * interval in which it counts their responses.
 */
import { createHistogram } from 'node:perf_hooks';
import { cpuMicroseconds, peakMemory } from '../harness/processes.ts';
import { Connection, type Observer } from './connection.ts';
import { createShots, type ShotOptions } from './shots.ts';

export interface RunOptions {
  readonly kind: 'run';
  /** The ports over which connections are spread evenly: one for a peer, or one for each pod of a load test. */
  readonly ports: readonly number[];
  readonly connections: number;
  readonly warmupMs: number;
  /** The minimum duration. The measurement continues until there are `minAnswers` responses. */
  readonly measureMs: number;
  readonly minAnswers: number;
  /** The processes whose CPU time is read. */
  readonly pids: readonly number[];
  readonly shots: ShotOptions;
}

/** Milliseconds. */
export interface Latency {
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

export interface RunResult {
  readonly requests: number;
  readonly failed: number;
  /** The first few reasons, with counts. */
  readonly reasons: Readonly<Record<string, number>>;
  readonly elapsedMs: number;
  readonly cpuMicroseconds: number;
  readonly peakMemory: number;
  readonly latency: Latency;
  /** Requests for guilds of the absent pod, which the fields above do not count. */
  readonly away: { readonly requests: number; readonly latency: Latency } | null;
}

/** A quarter of the connections send requests for the absent pod, with a pause after each response. */
const AWAY_SHARE = 4;
const AWAY_PAUSE_MS = 10;

/** The time limit for `minAnswers`. A peer without responses is broken; a slow one only waits for its core. */
const GIVE_UP_MS = 15_000;

/** Counts responses and their latencies. */
class Tally implements Observer {
  // Microseconds, up to ten minutes.
  readonly #histogram = createHistogram({ lowest: 1, highest: 600_000_000, figures: 3 });
  readonly reasons: Record<string, number> = {};
  measuring = false;
  requests = 0;
  failures = 0;

  answered(startedAt: number, endedAt: number): void {
    if (!this.measuring) return;
    this.requests++;
    this.#histogram.record(Math.max(1, Math.round((endedAt - startedAt) * 1000)));
  }

  failed(reason: string): void {
    this.failures++;
    const { reasons } = this;
    if (reason in reasons || Object.keys(reasons).length < 5) reasons[reason] = (reasons[reason] ?? 0) + 1;
  }

  latency(): Latency {
    const percentile = (p: number): number => this.#histogram.percentile(p) / 1000;
    const mean = this.requests === 0 ? 0 : this.#histogram.mean / 1000;
    return { mean, p50: percentile(50), p99: percentile(99), p999: percentile(99.9) };
  }
}

async function run(options: RunOptions): Promise<RunResult> {
  const shots = createShots(options.shots);
  const live = new Tally();
  const away = new Tally();
  const connections = Array.from({ length: options.connections }, (_, i) => {
    const port = options.ports[i % options.ports.length] as number;
    if (shots.away !== null && i % AWAY_SHARE === 0) return new Connection(port, shots.away, away, AWAY_PAUSE_MS);
    return new Connection(port, shots.live, live);
  });
  for (const connection of connections) connection.start();
  await sleep(options.warmupMs);
  const cpuBefore = cpuMicroseconds(options.pids);
  const startedAt = performance.now();
  live.measuring = away.measuring = true;
  await sleep(options.measureMs);
  while (live.requests < options.minAnswers && performance.now() - startedAt < GIVE_UP_MS) await sleep(20);
  live.measuring = away.measuring = false;
  const elapsedMs = performance.now() - startedAt;
  const cpu = cpuMicroseconds(options.pids) - cpuBefore;
  for (const connection of connections) connection.stop();
  return {
    requests: live.requests,
    failed: live.failures + away.failures,
    reasons: { ...live.reasons, ...away.reasons },
    elapsedMs,
    cpuMicroseconds: cpu,
    peakMemory: peakMemory(options.pids),
    latency: live.latency(),
    away: shots.away === null ? null : { requests: away.requests, latency: away.latency() },
  };
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

process.on('message', (message: RunOptions) => {
  run(message).then(
    (result) => process.send?.({ result }),
    (error: Error) => process.send?.({ error: error.message }),
  );
});
process.on('disconnect', () => process.exit(0));
