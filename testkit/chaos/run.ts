import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RoutingStrategy, Topology } from '../../src/public-routing.ts';
import { type Cluster, startCluster } from '../cluster/index.ts';
import type { DiscordSimulator } from '../discord/index.ts';
import { FaultNetwork } from '../faults/network.ts';
import { Clients, EVERYTHING, type Mix } from './clients.ts';
import { readPods } from './databases.ts';
import { checkHistory, type Verdict } from './history.ts';
import { type Disturbance, FaultInjector } from './injector.ts';
import { type Latency, measureLatency } from './latency.ts';
import { SeededRandom } from './random.ts';
import { type Entry, Recorder } from './recorder.ts';
import { planResizes, Rollouts } from './rollouts.ts';
import { type FaultKind, planFaults } from './schedule.ts';
import {
  brokenRules,
  databasePaths,
  endPods,
  eventsHandled,
  forgiveEvents,
  hintsDrained,
  watchSessions,
} from './settle.ts';

export interface ChaosOptions {
  readonly seed: number;
  /** How long clients send, in seconds. */
  readonly seconds: number;
  readonly httpPods: number;
  readonly gatewayPods: number;
  readonly guilds: number;
  /** Default `md5`. */
  readonly routing?: RoutingStrategy;
  /** Operations per second. */
  readonly rate: number;
  readonly kinds: readonly FaultKind[];
  /** Average time between two faults. */
  readonly everyMs: number;
  readonly mix?: Mix;
  /** Also changes the number of gateway pods over and over, up to this many. */
  readonly resizeUpTo?: number;
  /** Share of interactions that are slower than Discord's time limit; default 0.02. */
  readonly slowShare?: number;
  /** How long an API write may wait for its owner; default 4 s, so that a short run covers many cases. */
  readonly requestTimeoutMs?: number;
  /** How long the simulator waits for the first response to an interaction or event webhook; default 3 s, like Discord. */
  readonly discordWaitsMs?: number;
  /** Further environment variables of every pod. */
  readonly env?: Readonly<Record<string, string>>;
  /** Runs beside the clients and replaces the schedule of `kinds`: faults that a test chooses. */
  readonly script?: (cluster: Cluster, network: FaultNetwork, recorder: Recorder) => Promise<void>;
  /** How long hints and deferred responses may take to complete after all faults have ended. */
  readonly drainMs?: number;
  /** Where databases and logs remain if the check fails; default a temporary folder. */
  readonly directory?: string;
  readonly onProgress?: (progress: Progress) => void;
  readonly log?: (line: string) => void;
}

/** The progress of a run. */
export interface Progress {
  readonly phase: 'starting' | 'running' | 'healing' | 'moving' | 'draining' | 'checking';
  readonly elapsedMs: number;
  readonly recorder: Recorder;
  readonly faults: number;
}

export interface ChaosReport {
  readonly seed: number;
  readonly verdict: Verdict;
  /** Tells which gateway pod owned a guild, at the end. */
  readonly topology: Topology;
  /** Every operation as its client saw it. */
  readonly entries: readonly Entry[];
  readonly latency: Latency;
  readonly deferred: number;
  /** Interactions without a valid response within Discord's three seconds. */
  readonly unanswered: number;
  readonly faults: number;
  /** How often the number of gateway pods changed. */
  readonly resizes: number;
  /** Hints that remained at the end. */
  readonly hintsLeft: number;
  /** Discord sessions that could not be resumed. Events around their end may be missing. */
  readonly sessionsLost: number;
  /** Pods that did not restart, and violations of Discord's rules. */
  readonly failures: readonly string[];
  readonly ok: boolean;
  /** The folder with databases and logs; null if the check passed. */
  readonly directory: string | null;
}

/** Enough for the largest number of gateway pods: the number of shards never changes. */
const shardsFor = ({ routing, resizeUpTo = 1 }: ChaosOptions): { discordShards?: number } =>
  routing === 'discord-shard' ? { discordShards: 2 * resizeUpTo } : {};

const BOT = fileURLToPath(new URL('./bot.ts', import.meta.url));

/** Short, so that a short run covers many cases. Discord's time limit for interactions still applies. */
const REQUEST_TIMEOUT_MS = 4_000;
const POD_ENV = {
  BOT,
  LOG_LEVEL: 'info',
  LINK_HEARTBEAT_MS: '1000',
} as const;

/** Changes the seed for clients, so that clients and faults draw different numbers. */
const CLIENTS = 0x5bd1e995;
/** No fault begins in the last second, because it would affect no operation. */
const LAST_FAULT_MS = 1_000;
const EVENTS_MS = 20_000;
const PROGRESS_MS = 500;
/** How long guilds may take to reach their owners after all faults have ended. */
const SETTLED_MS = 120_000;

/** Runs clients against a cluster while faults happen, ends all faults, and checks the databases against the history. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'guildway-chaos-')));
  const network = new FaultNetwork();
  try {
    const report = await runIn(directory, network, options);
    if (report.ok && options.directory === undefined) await rm(directory, { recursive: true, force: true });
    return report.ok ? report : { ...report, directory };
  } finally {
    await network.close();
  }
}

async function runIn(directory: string, network: FaultNetwork, options: ChaosOptions): Promise<ChaosReport> {
  const { log = () => {}, drainMs = 60_000, requestTimeoutMs = REQUEST_TIMEOUT_MS, discordWaitsMs } = options;
  const startedAt = performance.now();
  const recorder = new Recorder(String(options.seed));
  let injector: FaultInjector | null = null;
  let phase: Progress['phase'] = 'starting';
  const enter = (next: Progress['phase']): void => {
    phase = next;
    const faults = injector?.disturbances.length ?? 0;
    options.onProgress?.({ phase, elapsedMs: performance.now() - startedAt, recorder, faults });
  };
  const ticker = setInterval(() => enter(phase), PROGRESS_MS);

  try {
    await using cluster = await startCluster({
      directory,
      httpPods: options.httpPods,
      gatewayPods: options.gatewayPods,
      ...(options.resizeUpTo === undefined ? {} : { mostGatewayPods: options.resizeUpTo, ...shardsFor(options) }),
      guilds: options.guilds,
      ...(options.routing === undefined ? {} : { routing: options.routing }),
      env: { ...POD_ENV, REQUEST_TIMEOUT_MS: String(requestTimeoutMs), ...options.env },
      network: network.install,
      simulator: {
        ...{ messagesPerChannel: 1_000_000, eventWebhookBackoffMs: 250 },
        ...(discordWaitsMs === undefined ? {} : { interactionDeadlineMs: discordWaitsMs }),
      },
    });
    const simulator = cluster.simulator as DiscordSimulator;
    const sessions = watchSessions(simulator);
    const faults = new FaultInjector({ cluster, network, log });
    injector = faults;
    const rollouts = new Rollouts({ cluster, undisturbed: (pod, work) => faults.undisturbed(pod, work), log });
    const lengthMs = options.seconds * 1_000;
    const mostPods = options.resizeUpTo ?? options.gatewayPods;
    const endAt = performance.now() + lengthMs;
    const clients = new Clients({
      simulator,
      url: cluster.url,
      recorder,
      random: new SeededRandom(options.seed ^ CLIENTS),
      mix: options.mix ?? EVERYTHING,
      slowShare: options.slowShare ?? 0.02,
      requestTimeoutMs,
      settleMs: () => Math.max(0, endAt + drainMs - performance.now()),
    });
    const disturb =
      options.script?.(cluster, network, recorder) ??
      faults.run(planFaults({ ...options, gatewayPods: mostPods, lengthMs: lengthMs - LAST_FAULT_MS }));
    const resizes =
      options.resizeUpTo === undefined
        ? []
        : planResizes({ ...options, pods: options.gatewayPods, most: options.resizeUpTo, lengthMs });

    enter('running');
    await Promise.all([clients.run(options.rate, AbortSignal.timeout(lengthMs)), disturb, rollouts.run(resizes)]);
    enter('healing');
    await faults.heal();
    if (resizes.length > 0) {
      enter('moving');
      await rollouts.settled(SETTLED_MS);
    }
    enter('draining');
    await hintsDrained(cluster, drainMs);
    await clients.finished();
    await eventsHandled(cluster, recorder, EVENTS_MS);
    await clients.close();
    enter('checking');
    forgiveEvents(recorder, sessions);
    return await conclude(cluster, recorder, [...faults.failures, ...rollouts.failures], {
      ...{ seed: options.seed, sessionsLost: sessions.lost, disturbances: faults.disturbances },
      ...{ topology: rollouts.topology, resizes: rollouts.count },
    });
  } finally {
    clearInterval(ticker);
  }
}

/** Ends the pods and compares their databases with the history. */
async function conclude(
  cluster: Cluster,
  recorder: Recorder,
  failures: readonly Error[],
  {
    disturbances,
    ...facts
  }: Pick<ChaosReport, 'seed' | 'sessionsLost' | 'topology' | 'resizes'> & { disturbances: readonly Disturbance[] },
): Promise<ChaosReport> {
  const broken = brokenRules(cluster.simulator as DiscordSimulator);
  const problems = [...failures.map(({ message }) => message), ...broken, ...(await endPods(cluster))];
  const { rows, hints } = readPods(databasePaths(cluster));
  const { ownerOf } = facts.topology;
  const verdict = checkHistory(recorder.history(), rows, ownerOf);
  const { entries } = recorder;
  return {
    ...facts,
    verdict,
    entries,
    latency: measureLatency(entries, disturbances, ownerOf),
    deferred: entries.filter((entry) => entry.wasDeferred).length,
    unanswered: entries.filter((entry) => entry.unanswered).length,
    faults: disturbances.length,
    hintsLeft: hints,
    failures: problems,
    ok: verdict.clean && hints === 0 && problems.length === 0,
    directory: null,
  };
}
