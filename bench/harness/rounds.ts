import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RoutingStrategy } from '../../src/public-routing.ts';
import { findFreePorts } from '../../testkit/cluster/ports.ts';
import type { RunOptions, RunResult } from '../generator/main.ts';
import { publicKeyOf, type ShotOptions } from '../generator/shots.ts';
import { nginxPods } from '../peers/nginx.ts';
import type { Peer, PeerContext } from '../peers/peer.ts';
import type { MeasureOptions } from './options.ts';
import { type Cores, listening, processTree, type RunningProcess, type StartOptions, start } from './processes.ts';
import { topologyOf } from './routing.ts';

export interface Workload {
  readonly id: string;
  readonly title: string;
  readonly peers: readonly Peer[];
  readonly shots: Pick<ShotOptions, 'kind' | 'guilds' | 'away'>;
  readonly connections: number;
}

export interface RoundOptions extends MeasureOptions {
  readonly warmupMs: number;
  readonly pods: number;
  readonly progress: (line: string) => void;
}

/** The results of a peer, one for each round. */
export interface PeerResult {
  readonly peer: Peer;
  readonly rounds: readonly RunResult[];
}

export interface WorkloadResult {
  readonly workload: Workload;
  readonly results: readonly PeerResult[];
  /** Peers that could not run, with the reasons. */
  readonly skipped: readonly { readonly peer: Peer; readonly why: string }[];
}

const LINK_SECRET = 'only for the bench, not a secret';
export const SEED = '5e'.repeat(32);

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** The generator's task. The stage adds the routing. */
type StageRun = Omit<RunOptions, 'kind' | 'shots'> & { readonly shots: Omit<ShotOptions, 'routing'> };

function once<T>(started: Map<string, Promise<T>>, key: string, begin: () => Promise<T>): Promise<T> {
  const running = started.get(key) ?? begin();
  started.set(key, running);
  return running;
}

/** The pods, the generator and the folder of a run. Disposal ends all of them. */
export class Stage implements AsyncDisposable {
  readonly cores: Cores;
  readonly #routing: RoutingStrategy;
  readonly folder = mkdtempSync(join(tmpdir(), 'guildway-bench-'));
  readonly #processes: RunningProcess[] = [];
  /** The generator of HTTP requests, started on first use. */
  #generator: RunningProcess | null = null;
  #folders = 0;
  /** The compile cache. A given one is already filled. */
  readonly #cache = process.env.NODE_COMPILE_CACHE ?? this.subfolder();
  readonly #startedBefore = new Set<string>();
  readonly #pods = new Map<string, Promise<number[]>>();
  readonly #targets = new Map<string, Promise<Target>>();
  /** Ends all child processes when this process ends for any reason. */
  readonly #killAll = (): void => {
    for (const { child } of this.#processes) child.kill('SIGKILL');
  };

  constructor(cores: Cores, routing: RoutingStrategy) {
    this.cores = cores;
    this.#routing = routing;
    process.once('exit', this.#killAll);
  }

  subfolder(): string {
    const folder = join(this.folder, String(this.#folders++));
    return mkdtempSync(`${folder}-`);
  }

  /** Starts a process that ends with this one. */
  start(options: StartOptions): RunningProcess {
    const running = start(options);
    this.#processes.push(running);
    return running;
  }

  /** Starts gateway pods and returns their ports, which are consecutive. The port of a pod that is `away` refuses. */
  async startPods(kind: Peer['upstream'], count: number, away: number | null): Promise<number[]> {
    const first = await findFreePorts(count);
    const ports = Array.from({ length: count }, (_, ordinal) => first + ordinal);
    const command =
      kind === 'nginx'
        ? nginxPods(ports, this.subfolder())
        : {
            command: process.execPath,
            args: [
              path('../upstream/main.ts'),
              ...[first, count, LINK_SECRET, this.#routing, away ?? 'none'].map(String),
            ],
          };
    const running = this.start({ ...command, core: this.cores.rest });
    await listening(away === 0 ? first + 1 : first, running);
    return ports;
  }

  /** Like {@link startPods}, but only once for equal arguments. */
  pods(kind: Peer['upstream'], count: number, away: number | null): Promise<number[]> {
    return once(this.#pods, `${kind} ${count} ${away}`, () => this.startPods(kind, count, away));
  }

  /** Like {@link startPeer}, but only once for equal arguments. */
  target(peer: Peer, pods: readonly number[]): Promise<Target> {
    return once(this.#targets, `${peer.id} ${pods}`, () => this.startPeer(peer, pods));
  }

  async startPeer(peer: Peer, pods: readonly number[]): Promise<Target> {
    const port = await findFreePorts(1);
    const context: PeerContext = {
      port,
      pods,
      topology: topologyOf(this.#routing, pods.length),
      cache: this.#cache,
      linkSecret: LINK_SECRET,
      publicKey: publicKeyOf(SEED),
      folder: this.subfolder(),
    };
    const command = { ...peer.prepare(context), core: this.cores.tested };
    if (peer.startedBefore && process.env.NODE_COMPILE_CACHE === undefined && !this.#startedBefore.has(peer.id)) {
      this.#startedBefore.add(peer.id);
      const first = start(command);
      await listening(port, first);
      await first.stop();
    }
    const running = this.start(command);
    await listening(port, running);
    return { peer, port, running };
  }

  /** Lets the generator do one run. */
  async run({ shots, ...options }: StageRun): Promise<RunResult> {
    this.#generator ??= this.start({
      command: process.execPath,
      args: [path('../generator/main.ts')],
      core: this.cores.rest,
      channel: true,
    });
    const { child, output } = this.#generator;
    const answer = new Promise<{ result?: RunResult; error?: string }>((resolve) => {
      const ended = (): void => resolve({ error: `the generator has ended: ${output()}` });
      child.once('exit', ended);
      child.once('message', (message) => {
        child.removeListener('exit', ended);
        resolve(message as { result?: RunResult; error?: string });
      });
    });
    child.send({ kind: 'run', ...options, shots: { ...shots, routing: this.#routing } });
    const { result, error } = await answer;
    if (result === undefined) throw new Error(error);
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#processes.map((running) => running.stop()));
    process.removeListener('exit', this.#killAll);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A started peer. */
export interface Target {
  readonly peer: Peer;
  readonly port: number;
  readonly running: RunningProcess;
}

/** The reason why a peer cannot be compared under this routing, or null. */
const otherRouting = ({ routes }: Peer, routing: RoutingStrategy): string | null =>
  routes === 'md5' && routing !== 'md5' ? 'it supports md5 only' : null;

/** Starts all peers of a workload and measures them in turn, round by round. */
export async function runWorkload(workload: Workload, options: RoundOptions, stage: Stage): Promise<WorkloadResult> {
  const { rounds, warmupMs, measureMs, minAnswers, progress } = options;
  const skipped: { peer: Peer; why: string }[] = [];
  const targets: Target[] = [];
  for (const peer of workload.peers) {
    const why = otherRouting(peer, options.routing) ?? peer.missing();
    if (why !== null) {
      skipped.push({ peer, why });
      progress(`  ${peer.title}: skipped (${why})`);
      continue;
    }
    const pods = await stage.pods(peer.upstream, options.pods, workload.shots.away);
    targets.push(await stage.target(peer, pods));
  }
  const results = targets.map((target) => ({ target, rounds: [] as RunResult[] }));
  for (let round = 0; round < rounds; round++) {
    for (const { target, rounds: done } of results) {
      const { peer, port, running } = target;
      const pids = processTree(running.pid);
      const result = await stage.run({
        ports: [port],
        connections: workload.connections,
        // The first round has a longer warm-up for compilers and pools.
        warmupMs: round === 0 ? 10 * warmupMs : warmupMs,
        measureMs,
        minAnswers,
        pids,
        shots: {
          ...workload.shots,
          pods: options.pods,
          seed: SEED,
          checkOwner: peer.routes !== 'none',
        },
      });
      if (result.requests === 0) {
        throw new Error(`${peer.title} answered nothing: ${JSON.stringify(result.reasons)} ${running.output()}`);
      }
      done.push(result);
      const perRequest = result.cpuMicroseconds / result.requests;
      progress(
        `  round ${round + 1}/${rounds}  ${peer.title.padEnd(42)} ${perRequest.toFixed(1).padStart(7)} µs CPU a request` +
          `  ${Math.round((result.requests / result.elapsedMs) * 1000)
            .toString()
            .padStart(6)}/s` +
          (result.failed > 0 ? `  ${result.failed} failed: ${JSON.stringify(result.reasons)}` : ''),
      );
    }
  }
  return {
    workload,
    results: results.map(({ target, rounds: done }) => ({ peer: target.peer, rounds: done })),
    skipped,
  };
}
