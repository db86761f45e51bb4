import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { listens } from '../../testkit/cluster/ports.ts';

/** The core of a process; null for any core. */
export interface Cores {
  readonly tested: number | null;
  readonly rest: number | null;
}

/** The process under test has its own core. Everything else uses the other core. */
export const PINNED: Cores = Object.freeze({ tested: 0, rest: 1 });
/** For runs with meaningless figures: without pinning, no process waits for its core while the other core is idle. */
export const ANYWHERE: Cores = Object.freeze({ tested: null, rest: null });

/** Whether processes can be pinned, which needs two cores and `taskset`. */
export const canPin: boolean = availableParallelism() >= 2 && spawnSync('taskset', ['--version']).status === 0;

export interface RunningProcess {
  readonly pid: number;
  /** The last 4 KB of standard output and error. */
  readonly output: () => string;
  readonly child: ChildProcess;
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** The core of the process; null for any core. */
  readonly core: number | null;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly cwd?: string;
  /** Opens an IPC channel, for Node processes. */
  readonly channel?: true;
}

/** Starts a process, pinned to a core if possible. The caller must stop it. */
export function start(options: StartOptions): RunningProcess {
  const pin = canPin && options.core !== null ? ['taskset', '-c', String(options.core)] : [];
  const pinned = [...pin, options.command];
  const child = spawn(pinned[0] as string, [...pinned.slice(1), ...options.args], {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe', ...(options.channel === undefined ? [] : (['ipc'] as const))],
  });
  let output = '';
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-4096);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', (error) => {
      output += error.message;
      resolve();
    });
  });
  return {
    pid: child.pid ?? -1,
    child,
    output: () => output,
    async stop() {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** A process and all its descendants. */
export function processTree(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    const stat = Number.isInteger(pid) ? readStat(pid) : null;
    if (stat !== null) parents.set(pid, Number(stat[1]));
  }
  const tree = [root];
  for (let i = 0; i < tree.length; i++) {
    for (const [pid, parent] of parents) if (parent === tree[i]) tree.push(pid);
  }
  return tree;
}

/** The fields of /proc/<pid>/stat from the third on (state, parent, ...), or null if the process has ended. */
function readStat(pid: number): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field, the name, may contain blanks and parentheses.
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}

/** Linux reports CPU time in ticks of 1/100 s on every platform that Node runs on. */
const MICROSECONDS_PER_TICK = 10_000;

/** The total CPU time of processes, user and system, in microseconds, from /proc/<pid>/stat. */
export function cpuMicroseconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const stat = readStat(pid);
    if (stat === null) throw new Error(`process ${pid} ended during its measurement`);
    ticks += Number(stat[11]) + Number(stat[12]);
  }
  return ticks * MICROSECONDS_PER_TICK;
}

/** The total peak resident memory of processes, in bytes. */
export const peakMemory = (pids: readonly number[]): number =>
  pids.reduce((total, pid) => total + statusBytes(pid, 'VmHWM'), 0);

/** The resident memory of a process, in bytes. */
export const residentMemory = (pid: number): number => statusBytes(pid, 'VmRSS');

function statusBytes(pid: number, field: string): number {
  const value = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  return Number(value ?? 0) * 1024;
}

/** Resolves when a process accepts connections on a local port. */
export async function listening(port: number, running: RunningProcess, timeoutMs = 30_000): Promise<void> {
  const until = performance.now() + timeoutMs;
  while (performance.now() < until) {
    if (running.child.exitCode !== null) break;
    if (await listens(port)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing listens on port ${port}: ${running.output().trim() || 'no output'}`);
}
