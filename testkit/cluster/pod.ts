import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { listens } from './ports.ts';

/** `.ts` in the repository, `.js` in the published package. */
const EXTENSION = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
const MAIN = fileURLToPath(new URL(`../../src/main${EXTENSION}`, import.meta.url));
const MOVING_CLOCK = new URL(`moving-clock${EXTENSION}`, import.meta.url).href;

/** A pod that ends says so at once; on a busy machine one that starts may take long. */
const READY_WITHIN_MS = 90_000;

export interface PodOptions {
  readonly name: string;
  /** Null for an HTTP pod. */
  readonly ordinal: number | null;
  readonly port: number;
  readonly adminPort: number;
  readonly logFile: string;
  readonly env: Readonly<Record<string, string>>;
  /** The pod's clocks are this much ahead. Default: they are those of this machine. */
  readonly clock?: { readonly aheadMs: number };
  /** A command in front of the pod's command line. It must exec that command line, so that signals reach the pod. */
  readonly launcher?: readonly string[];
  /** The working directory. Default: that of this process. */
  readonly cwd?: string;
}

/** The running pods. An interrupted test run must not leave them behind, where they would slow the next run. */
const living = new Set<ChildProcess>();
const killLiving = (): void => {
  for (const child of living) child.kill('SIGKILL');
};
let watched = false;
/** Kills the pod when this process ends, except by SIGKILL. */
function endWithThisProcess(child: ChildProcess): void {
  living.add(child);
  if (watched) return;
  watched = true;
  process.on('exit', killLiving);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    const end = (): void => {
      // Another listener shuts this process down gracefully, including its pods.
      if (process.listenerCount(signal) > 1) return;
      killLiving();
      process.off(signal, end);
      process.kill(process.pid, signal);
    };
    process.on(signal, end);
  }
}

/** How a pod's process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One pod of the local cluster: a separate process that can be stopped, killed, paused and restarted. */
export class Pod {
  readonly name: string;
  readonly ordinal: number | null;
  readonly port: number;
  readonly url: string;
  readonly adminUrl: string;
  readonly logFile: string;
  /** The pod's environment, read at the next start. Tests change it to reconfigure a pod. */
  env: Record<string, string>;
  readonly #adminPort: number;
  readonly #launcher: readonly string[];
  readonly #cwd: string | undefined;
  readonly #clock: PodOptions['clock'];
  #child: ChildProcess | null = null;
  #paused = false;
  /** Where the log of the latest start begins, in bytes. */
  #logStart = 0;
  #exit: Promise<Exit> = Promise.resolve({ code: null, signal: null });

  constructor(options: PodOptions) {
    this.name = options.name;
    this.ordinal = options.ordinal;
    this.port = options.port;
    this.url = `http://127.0.0.1:${options.port}`;
    this.#adminPort = options.adminPort;
    this.adminUrl = `http://127.0.0.1:${options.adminPort}`;
    this.logFile = options.logFile;
    this.#launcher = options.launcher ?? [];
    this.#clock = options.clock;
    this.#cwd = options.cwd;
    this.env = { ...options.env, PORT: String(options.port), ADMIN_PORT: String(options.adminPort), HOST: '127.0.0.1' };
  }

  get running(): boolean {
    return this.#child !== null;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Suspended by {@link pause}. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Resolves when the most recently started process has ended. */
  get exited(): Promise<Exit> {
    return this.#exit;
  }

  /** Starts the process. {@link ready} resolves when it can serve. */
  spawn(): void {
    if (this.#child !== null) throw new Error(`${this.name} is already running`);
    this.#logStart = statSync(this.logFile, { throwIfNoEntry: false })?.size ?? 0;
    const log = createWriteStream(this.logFile, { flags: 'a' });
    const preloads = this.#clock === undefined ? [] : ['--import', MOVING_CLOCK];
    const [command = process.execPath, ...args] = [...this.#launcher, process.execPath, ...preloads, MAIN];
    const child = spawn(command, args, {
      env: {
        ...{ PATH: process.env.PATH, HOME: process.env.HOME, ...this.env },
        ...(this.#clock === undefined ? {} : { GUILDWAY_TEST_CLOCK_AHEAD_MS: String(this.#clock.aheadMs) }),
      },
      stdio: ['ignore', 'pipe', 'pipe', this.#clock === undefined ? 'ignore' : 'ipc'],
      ...(this.#cwd === undefined ? {} : { cwd: this.#cwd }),
    });
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    this.#child = child;
    this.#paused = false;
    endWithThisProcess(child);
    this.#exit = once(child, 'close').then(([code, signal]) => {
      living.delete(child);
      log.end();
      if (this.#child === child) this.#child = null;
      return { code, signal } as Exit;
    });
  }

  /** Resolves when the pod is ready. @throws with the end of its log if it exits or is not ready in time */
  async ready(timeoutMs = READY_WITHIN_MS): Promise<void> {
    const end = performance.now() + timeoutMs;
    let why = 'no response';
    while (performance.now() < end) {
      if (!this.running) throw new Error(`${this.name} ended while starting:\n${await this.logTail()}`);
      try {
        if (await listens(this.#adminPort)) {
          const response = await fetch(`${this.adminUrl}/readyz`, { signal: AbortSignal.timeout(1_000) });
          if (response.ok) {
            await response.body?.cancel();
            return;
          }
          why = ((await response.json()) as { reasons: string[] }).reasons.join('; ');
        }
      } catch {
        // The pod ended in the meantime.
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${this.name} was not ready within ${timeoutMs} ms: ${why}\n${await this.logTail()}`);
  }

  async start(): Promise<void> {
    this.spawn();
    await this.ready();
  }

  /** Sends a signal and waits for the end of the process. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<Exit> {
    this.#child?.kill(signal);
    return this.#exit;
  }

  /** Stops the pod gracefully, with SIGTERM. */
  stop(): Promise<Exit> {
    return this.kill('SIGTERM');
  }

  /** Suspends the process with SIGSTOP. */
  pause(): void {
    this.#paused = true;
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#paused = false;
    this.#child?.kill('SIGCONT');
  }

  /** Resolves when the pod's clocks are where its options say. One that is paused gets there when it goes on; it is not waited for. */
  async setClock(): Promise<void> {
    const child = this.#child;
    if (child?.connected !== true) return;
    const taken = new Promise((resolve) => child.once('message', resolve));
    child.send({ clockAheadMs: this.#clock?.aheadMs }, () => {});
    if (!this.#paused) await Promise.race([taken, this.#exit]);
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Requests a path from the admin port, such as `/readyz` or `/hints`. */
  async admin<T = unknown>(path: string): Promise<T> {
    return (await (await fetch(this.adminUrl + path)).json()) as T;
  }

  /** The last lines that the pod has logged since its latest start. */
  async logTail(lines = 15): Promise<string> {
    const log = await readFile(this.logFile).catch(() => Buffer.alloc(0));
    return log.subarray(this.#logStart).toString('utf8').trimEnd().split('\n').slice(-lines).join('\n');
  }
}
