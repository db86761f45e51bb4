import type { RunResult } from '../generator/main.ts';
import type { Peer } from '../peers/peer.ts';
import { CONTROLLED, FIXED, type Scenario } from '../workloads/load-scenarios.ts';
import type { LineChart } from './chart.ts';
import { ratio, type Spread, spread } from './statistics.ts';

export interface Measured {
  readonly scenario: Scenario;
  /** The results of the rounds with load on all HTTP pods at once. */
  readonly rounds: RunResult[];
  /** The results with load on one pod at a time while all are up: one for each pod in each round. */
  readonly inTurn: (readonly RunResult[])[];
  /** For comparison: one HTTP pod and 1,000 guilds, right before and right after each measurement at once. */
  readonly beside: (readonly RunResult[])[];
  /** For comparison: the same, right before each pod's turn and for the same time. */
  readonly besideInTurn: (readonly RunResult[])[];
  /** Connections from all running HTTP pods to gateway pods. */
  connections: number;
}

/** A peer in as many processes as there are HTTP pods in {@link CONTROLLED}. */
export interface Control {
  readonly peer: Peer;
  /** The results of the rounds with load on all processes. */
  readonly rounds: RunResult[];
  /** One process alone, right before and right after. */
  readonly beside: (readonly RunResult[])[];
}

/** Microseconds of CPU per request over several results. */
export function costOf(results: readonly RunResult[]): number {
  const sum = (pick: (result: RunResult) => number): number =>
    results.reduce((total, result) => total + pick(result), 0);
  return sum(({ cpuMicroseconds }) => cpuMicroseconds) / sum(({ requests }) => requests);
}

const atOnce = ({ rounds }: Pick<Measured, 'rounds'>): number[] => rounds.map((round) => costOf([round]));
const inTurn = (entry: Measured): number[] => entry.inTurn.map(costOf);
const count = (value: number): string => value.toLocaleString('en-US');
const median = (entry: Measured, pick: (round: RunResult) => number): number => spread(entry.rounds.map(pick)).median;
const memoryMB = (entry: Measured): number =>
  Math.max(...entry.rounds.map(({ peakMemory }) => peakMemory)) / entry.scenario.httpPods / 1e6;

/** The ratios that must not grow. Ratios without a target are for comparison. */
export interface LoadRatio {
  readonly what: string;
  readonly value: Spread;
  readonly atMost: number | null;
}

/** Whether a scenario is compared with one HTTP pod and 1,000 guilds. */
export const isCompared = ({ httpPods, guilds }: Scenario): boolean => httpPods === 10 || guilds === 1_000_000;

export function ratiosOf(measured: readonly Measured[], controls: readonly Control[]): LoadRatio[] {
  return [...ratiosOfScenarios(measured), ...controls.flatMap((control) => ratiosOfControl(measured, control))];
}

function ratiosOfControl(measured: readonly Measured[], control: Control): LoadRatio[] {
  const { peer, beside } = control;
  const costs = atOnce(control);
  const ours = measured.find(
    ({ scenario }) => scenario.httpPods === CONTROLLED.httpPods && scenario.gatewayPods === CONTROLLED.gatewayPods,
  );
  const { httpPods } = CONTROLLED;
  return [
    {
      what: `to compare: ${peer.title}, ${httpPods} processes / 1, all at once, on one core`,
      value: ratio(costs, beside.map(costOf)),
      atMost: null,
    },
    ...(ours === undefined
      ? []
      : [
          {
            what: `to compare: ${httpPods} HTTP pods / ${httpPods} times ${peer.title}, all at once, on one core`,
            value: ratio(atOnce(ours), costs),
            atMost: null,
          },
        ]),
  ];
}

function ratiosOfScenarios(measured: readonly Measured[]): LoadRatio[] {
  return measured
    .filter(({ scenario }) => isCompared(scenario))
    .flatMap((entry) => {
      const { httpPods, gatewayPods } = entry.scenario;
      const atOnceRatio = ratio(atOnce(entry), entry.beside.map(costOf));
      if (httpPods === 1) {
        return [{ what: 'CPU per request, 1,000,000 guilds / 1,000', value: atOnceRatio, atMost: 1.1 }];
      }
      const what = `CPU per request, 10 HTTP pods / 1, ${gatewayPods} gateway pods`;
      return [
        {
          what: `${what}, load on one after the other`,
          value: ratio(inTurn(entry), entry.besideInTurn.map(costOf)),
          atMost: 1.05,
        },
        { what: `${what}, load on all at once, on one core`, value: atOnceRatio, atMost: 1.05 },
      ];
    });
}

const costCell = (costs: readonly number[]): string => {
  const { median, min, max } = spread(costs);
  return `${median.toFixed(1)} (${min.toFixed(1)}–${max.toFixed(1)})`;
};

export function loadMarkdown(
  measured: readonly Measured[],
  controls: readonly Control[],
  connectionsPerPod: number,
): string {
  const rows = measured.map((entry) => {
    const { scenario, rounds, connections } = entry;
    return [
      String(scenario.httpPods),
      String(scenario.gatewayPods),
      count(scenario.guilds),
      costCell(inTurn(entry)),
      costCell(atOnce(entry)),
      count(Math.round(median(entry, ({ requests, elapsedMs }) => (requests / elapsedMs) * 1000))),
      median(entry, ({ latency }) => latency.p50).toFixed(2),
      median(entry, ({ latency }) => latency.p99).toFixed(2),
      median(entry, ({ latency }) => latency.p999).toFixed(2),
      memoryMB(entry).toFixed(0),
      String(connections),
      String(rounds.reduce((sum, { failed }) => sum + failed, 0)),
    ];
  });
  const header = [
    'HTTP pods',
    'gateway pods',
    'guilds',
    'µs CPU per request, in turn',
    'at once',
    'per second',
    'p50 ms',
    'p99 ms',
    'p99.9 ms',
    'peak MB a pod',
    'connections',
    'failed',
  ];
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    `${connectionsPerPod} client connections to each HTTP pod, one request in flight on each. All HTTP pods share one core, so throughput is that of one core. ` +
      '"In turn": all pods run and get load one at a time, as if each had its own core. "At once" and the columns after it: all pods get load and compete for the core and its caches.',
    '',
    line(header),
    line(header.map(() => '--:')),
    ...rows.map(line),
    '',
    ...ratiosOf(measured, controls).map(({ what, value, atMost }) => {
      const verdict = atMost === null ? '' : `; at most ${atMost}: ${value.median <= atMost ? 'reached' : 'missed'}`;
      return `- ${what}: ${value.median.toFixed(2)} (${value.min.toFixed(2)}–${value.max.toFixed(2)})${verdict}`;
    }),
    ...memoryLine(measured),
    '',
  ].join('\n');
}

function memoryLine(measured: readonly Measured[]): string[] {
  const largest = measured.find(({ scenario }) => scenario.guilds === 1_000_000);
  if (largest === undefined) return [];
  const peak = memoryMB(largest);
  return [
    `- peak memory of an HTTP pod with 1,000,000 guilds: ${peak.toFixed(0)} MB; at most 120: ${peak <= 120 ? 'reached' : 'missed'}`,
  ];
}

export function loadCharts(measured: readonly Measured[]): LineChart[] {
  const byPods = (yLabel: string, title: string, pick: (entry: Measured) => number): LineChart => {
    const entries = measured.filter(({ scenario }) => scenario.guilds === FIXED.guilds);
    const x = [...new Set(entries.map(({ scenario }) => scenario.httpPods))];
    const gateways = [...new Set(entries.map(({ scenario }) => scenario.gatewayPods))];
    return {
      title,
      xLabel: 'HTTP pods',
      yLabel,
      x: x.map(String),
      series: gateways.map((gatewayPods) => ({
        name: `${gatewayPods} gateway pods`,
        y: x.map((httpPods) => {
          const found = entries.find(
            ({ scenario }) => scenario.httpPods === httpPods && scenario.gatewayPods === gatewayPods,
          );
          return found === undefined ? null : pick(found);
        }),
      })),
    };
  };
  const guilds = measured
    .filter(({ scenario }) => scenario.httpPods === FIXED.httpPods && scenario.gatewayPods === FIXED.gatewayPods)
    .toSorted((a, b) => a.scenario.guilds - b.scenario.guilds);
  const byGuilds = (yLabel: string, title: string, pick: (entry: Measured) => number): LineChart => ({
    title,
    xLabel: 'guilds',
    yLabel,
    x: guilds.map(({ scenario }) => count(scenario.guilds)),
    series: [{ name: '1 HTTP pod, 3 gateway pods', y: guilds.map(pick) }],
  });
  const cost = (entry: Measured): number => spread(inTurn(entry)).median;
  return [
    byPods('µs CPU per request', 'Cost of a request, by HTTP pods, load on each in turn', cost),
    byPods(
      'µs CPU per request',
      'Cost of a request, by HTTP pods, all at once on one core',
      (entry) => spread(atOnce(entry)).median,
    ),
    byPods('ms', 'p99 latency, by HTTP pods (they share one core)', (entry) =>
      median(entry, ({ latency }) => latency.p99),
    ),
    byGuilds('µs CPU per request', 'Cost of a request, by guilds', cost),
    byGuilds('MB', 'Peak memory of an HTTP pod, by guilds', memoryMB),
  ];
}
