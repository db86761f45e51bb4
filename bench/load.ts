/** `npm run load`: the cost of a request with growing numbers of HTTP pods, gateway pods and guilds. See README.md. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { RunResult } from './generator/main.ts';
import { lineCharts } from './harness/chart.ts';
import {
  type Control,
  costOf,
  isCompared,
  loadCharts,
  loadMarkdown,
  type Measured,
  ratiosOf,
} from './harness/load-report.ts';
import { describeMachine, machineSentence } from './harness/machine.ts';
import { measureFlags, measureOptions, positiveNumber, say } from './harness/options.ts';
import { cpuMicroseconds, processTree } from './harness/processes.ts';
import { SEED, Stage, type Target } from './harness/rounds.ts';
import { HAPROXY } from './peers/haproxy.ts';
import { GUILDWAY, HELLO } from './peers/node-peers.ts';
import { CONTROLLED, FIXED, SCENARIOS, type Scenario } from './workloads/load-scenarios.ts';

const HELP = `npm run load -- [options]
  --rounds N          rounds; each measures every scenario (default: 7)
  --seconds N         the time for each scenario in a round (default: 1.5)
  --connections N     client connections to each HTTP pod (default: 64)
  --routing STRATEGY  md5 or discord-shard (default: md5)
  --quick             one very short round with a few small scenarios and without pinning: only checks that it works, the figures mean nothing
  --output FOLDER     the folder for the report, the JSON file and the charts (default: bench/results)`;

const { values } = parseArgs({
  options: {
    ...measureFlags({ rounds: '7', seconds: '1.5' }),
    connections: { type: 'string', default: '64' },
  },
});

/** The processes of the scenarios, started once: gateway pods by their number, with HTTP pods in front of each. */
class Fleet {
  readonly #stage: Stage;
  readonly #gateways = new Map<number, readonly number[]>();
  readonly #targets = new Map<string, Target[]>();

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  async gateways(count: number): Promise<readonly number[]> {
    const ports = this.#gateways.get(count) ?? (await this.#stage.startPods('node', count, null));
    this.#gateways.set(count, ports);
    return ports;
  }

  /** The HTTP pods of a scenario. Each number of guilds has its own processes, so that their memory can be compared. */
  async httpPods({ gatewayPods, httpPods, guilds }: Scenario): Promise<Target[]> {
    const key = `${gatewayPods} ${guilds}`;
    const targets = this.#targets.get(key) ?? [];
    this.#targets.set(key, targets);
    while (targets.length < httpPods) {
      targets.push(await this.#stage.startPeer(GUILDWAY, await this.gateways(gatewayPods)));
    }
    return targets.slice(0, httpPods);
  }

  /** Describes the CPU usage of idle HTTP pods. */
  async idle(ms: number): Promise<string> {
    const pods = [...this.#targets.values()].flat();
    const pids = pods.flatMap(({ running }) => processTree(running.pid));
    await sleep(ms);
    const before = cpuMicroseconds(pids);
    await sleep(ms);
    const share = (cpuMicroseconds(pids) - before) / 1_000 / ms / pods.length;
    return `an idle HTTP pod uses ${(100 * share).toFixed(2)} % of a core (${pods.length} of them, ${ms / 1_000} s)`;
  }
}

/** The time until pods count as idle, and the time of the measurement. */
const IDLE_MS = 10_000;

/** The number of established connections to these local ports. */
function connectionsTo(ports: readonly number[]): number {
  const ESTABLISHED = '01';
  const wanted = new Set(ports.map((port) => port.toString(16).toUpperCase().padStart(4, '0')));
  return readFileSync('/proc/net/tcp', 'latin1')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => state === ESTABLISHED && wanted.has(local?.split(':')[1] ?? '')).length;
}

/** Durations in milliseconds. */
interface Times {
  readonly measureMs: number;
  readonly warmupMs: number;
  /** Long enough for Node to compile all hot code, which takes about 100,000 requests. With less, pods that get load in turn would look
   * slower than the baseline, which has had more requests. */
  readonly firstWarmupMs: number;
  /** The warm-up before a pod's turn: after idle time, it needs some thousand requests to fill the CPU caches. */
  readonly turnMs: number;
  readonly turnWarmupMs: number;
}

function timesOf(measureMs: number): Times {
  const warmupMs = Math.min(500, measureMs / 3);
  return { measureMs, warmupMs, firstWarmupMs: 16 * warmupMs, turnMs: measureMs / 1.5, turnWarmupMs: 2 * warmupMs };
}

/** One run: measures scenarios and peers, round after round. */
class LoadRun {
  readonly fleet: Fleet;
  readonly #stage: Stage;
  readonly #times: Times;
  readonly #perPod: number;
  readonly #minAnswers: number;
  readonly #warm = new Set<Target>();
  #controlPods: readonly number[] = [];

  constructor(stage: Stage, times: Times, perPod: number, minAnswers: number) {
    this.fleet = new Fleet(stage);
    this.#stage = stage;
    this.#times = times;
    this.#perPod = perPod;
    this.#minAnswers = minAnswers;
  }

  /** Measures a scenario for another round. @returns a line with its cost */
  async scenario(entry: Measured): Promise<string> {
    const { scenario } = entry;
    const { measureMs, warmupMs, turnMs, turnWarmupMs } = this.#times;
    const targets = await this.fleet.httpPods(scenario);
    const small = { ...FIXED, gatewayPods: scenario.gatewayPods };
    const [reference] = (await this.fleet.httpPods(small)) as [Target];
    for (const target of targets) await this.#warmUp(target, scenario);
    await this.#warmUp(reference, small);
    const compared = isCompared(scenario);
    const { result, beside } = compared
      ? await this.#compare(targets, scenario, reference, small)
      : { result: await this.#load(targets, scenario, measureMs, warmupMs), beside: [] };
    const inTurn: RunResult[] = [];
    const besideInTurn: RunResult[] = [];
    if (targets.length > 1) {
      for (const target of targets) {
        if (compared) besideInTurn.push(await this.#load([reference], small, turnMs, turnWarmupMs));
        inTurn.push(await this.#load([target], scenario, turnMs, turnWarmupMs));
      }
    }
    entry.rounds.push(result);
    entry.beside.push(beside);
    entry.inTurn.push(inTurn.length === 0 ? [result] : inTurn);
    entry.besideInTurn.push(besideInTurn);
    for (const { failed, reasons } of [result, ...inTurn]) {
      if (failed > 0) say(`  ${failed} failed: ${JSON.stringify(reasons)}`);
    }
    // Includes the connections of idle HTTP pods of larger scenarios, one to each gateway pod.
    entry.connections = connectionsTo(await this.fleet.gateways(scenario.gatewayPods));
    const cost = costOf([result]).toFixed(1);
    const costs = targets.length === 1 ? cost : `${cost} at once, ${costOf(inTurn).toFixed(1)} in turn:`;
    const { httpPods, gatewayPods, guilds } = scenario;
    const what = `${httpPods} HTTP pod${httpPods === 1 ? '' : 's'}, ${gatewayPods} gateway pods, ${guilds.toLocaleString('en-US')} guilds`;
    const perSecond = Math.round((result.requests / result.elapsedMs) * 1000);
    return `${what.padEnd(48)} ${costs} µs CPU a request  ${perSecond}/s`;
  }

  /** Measures a peer in the same number of processes, which shows the machine's share of the difference. */
  async control({ peer, targets, rounds, beside: besides }: StartedControl): Promise<string> {
    // Uses separate gateway pods, so that connections of peers do not count as those of HTTP pods.
    if (this.#controlPods.length === 0) {
      this.#controlPods = await this.#stage.startPods('node', CONTROLLED.gatewayPods, null);
    }
    while (targets.length < CONTROLLED.httpPods) targets.push(await this.#stage.startPeer(peer, this.#controlPods));
    for (const target of targets) await this.#warmUp(target, CONTROLLED);
    const [one] = targets as [Target];
    const { result, beside } = await this.#compare(targets, CONTROLLED, one, CONTROLLED);
    rounds.push(result);
    besides.push(beside);
    const what = `${targets.length} times ${peer.title}`;
    return `${what.padEnd(48)} ${costOf([result]).toFixed(1)} at once, ${costOf(beside).toFixed(1)} one alone: µs CPU a request`;
  }

  /** Measures the baseline right before and right after, so that a slow phase of the machine affects both. */
  async #compare(targets: readonly Target[], scenario: Scenario, one: Target, ofOne: Scenario) {
    const { measureMs, warmupMs } = this.#times;
    const before = await this.#load([one], ofOne, measureMs / 2, warmupMs);
    const result = await this.#load(targets, scenario, measureMs, warmupMs);
    const after = await this.#load([one], ofOne, measureMs / 2, warmupMs);
    return { result, beside: [before, after] };
  }

  async #warmUp(target: Target, scenario: Scenario): Promise<void> {
    if (this.#warm.has(target)) return;
    this.#warm.add(target);
    await this.#load([target], scenario, 50, this.#times.firstWarmupMs);
  }

  /** Puts load on processes and measures their CPU. */
  #load(under: readonly Target[], scenario: Scenario, measureMs: number, warmupMs: number): Promise<RunResult> {
    return this.#stage.run({
      ports: under.map(({ port }) => port),
      connections: this.#perPod * under.length,
      ...{ warmupMs, measureMs, minAnswers: this.#minAnswers },
      pids: under.flatMap(({ running }) => processTree(running.pid)),
      shots: {
        kind: 'scattered-get',
        guilds: scenario.guilds,
        pods: scenario.gatewayPods,
        checkOwner: under[0] !== undefined && under[0].peer.routes !== 'none',
        seed: SEED,
        away: null,
      },
    });
  }
}

type StartedControl = Control & { readonly targets: Target[] };

async function main(): Promise<void> {
  if (values.help) {
    say(HELP);
    return;
  }
  const measure = measureOptions(values);
  const { rounds, measureMs, minAnswers, cores, routing } = measure;
  const perPod = positiveNumber('connections', values.connections);
  const scenarios = values.quick
    ? SCENARIOS.filter(({ httpPods, gatewayPods, guilds }) => httpPods <= 2 && gatewayPods === 3 && guilds <= 1_000)
    : SCENARIOS;
  const machine = describeMachine();
  say(`${machineSentence(machine)}\n`);

  await using stage = new Stage(cores, routing);
  const run = new LoadRun(stage, timesOf(measureMs), perPod, minAnswers);
  const measured: Measured[] = scenarios.map((scenario) => ({
    ...{ scenario, rounds: [], inTurn: [], connections: 0 },
    ...{ beside: [], besideInTurn: [] },
  }));
  const controls: StartedControl[] = (values.quick ? [] : [HAPROXY, HELLO])
    .filter((peer) => peer.missing() === null && (peer.routes !== 'md5' || routing === 'md5'))
    .map((peer) => ({ peer, targets: [], rounds: [], beside: [] }));
  for (let round = 1; round <= rounds; round++) {
    const progress = (line: string): void => say(`  round ${round}/${rounds}  ${line}`);
    for (const entry of measured) progress(await run.scenario(entry));
    for (const control of controls) progress(await run.control(control));
  }

  // At the end, because a process collects garbage for some seconds after load.
  const idle = await run.fleet.idle(values.quick ? 100 : IDLE_MS);
  const report = `${loadMarkdown(measured, controls, perPod)}- ${idle}\n`;
  say(`\n${report}`);
  mkdirSync(values.output, { recursive: true });
  const plain = measured.map(({ scenario, ...results }) => ({ ...scenario, ...results }));
  const file = {
    date: new Date().toISOString().slice(0, 10),
    machine,
    connectionsPerPod: perPod,
    routing,
    scenarios: plain,
    controls: controls.map(({ peer, rounds, beside }) => ({ peer: peer.title, atOnce: rounds, beside })),
    ratios: ratiosOf(measured, controls),
  };
  writeFileSync(`${values.output}/load.json`, `${JSON.stringify(file, null, 2)}\n`);
  writeFileSync(`${values.output}/load.md`, `${machineSentence(machine)}\n\n${report}`);
  writeFileSync(
    `${values.output}/load.svg`,
    lineCharts('A routed GET as pods and guilds grow in number', loadCharts(measured)),
  );
  say(`Written: ${values.output}/load.md, load.json, load.svg`);
}

await main();
