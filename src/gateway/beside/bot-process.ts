import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../observability/log.ts';
import { StateMachine } from '../../state-machine.ts';
import { type Duration, elapsed, type MonotonicTime, monotonicNow } from '../../time.ts';

export interface BotProcessOptions {
  /** The program and its arguments. */
  readonly command: readonly string[];
  readonly cwd?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** How long the bot may take until it has its guilds. */
  readonly readyMs: Duration;
  /** How long it may take to end after SIGTERM. */
  readonly stopMs: Duration;
  readonly log: Logger;
  /** Called when the process has ended. */
  readonly onEnd: () => void;
  readonly backoffMs?: Duration;
}

const BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 60_000;
/** A bot that has been ready for so long starts the backoff anew. */
const STEADY_MS = 60_000;
/** The longest line that is logged. */
const MAX_LINE = 16_384;

/**
 * Linux kills the bot when the pod is killed: the bot of the next process must not share its databases with an orphan. Part of
 * util-linux, which every Debian has; elsewhere, a killed pod leaves its bot behind, without events.
 */
const SETPRIV = '/usr/bin/setpriv';
const DIES_WITH_POD: readonly string[] =
  process.platform === 'linux' && existsSync(SETPRIV) ? [SETPRIV, '--pdeathsig', 'KILL', '--'] : [];

/**
 * - `starting`: runs, and has not got its guilds yet
 * - `ready`: has them
 * - `waiting`: has ended, and waits for its next start
 * - `stopped`: the pod ends
 */
export type BotState = 'starting' | 'ready' | 'waiting' | 'stopped';

/** The bot's process: starts it, starts it again when it ends, hangs or does not get ready, and passes its output to the log. */
export class BotProcess {
  readonly #options: BotProcessOptions;
  readonly #machine = new StateMachine<BotState>('waiting', {
    starting: ['ready', 'waiting', 'stopped'],
    ready: ['starting', 'waiting', 'stopped'],
    waiting: ['starting', 'stopped'],
    stopped: [],
  });
  readonly #stopping = new AbortController();
  #child: ChildProcess | null = null;
  #why = 'not started yet';
  #failures = 0;
  #readyAt: MonotonicTime | null = null;
  #readyTimer: NodeJS.Timeout | null = null;
  #done: Promise<void> = Promise.resolve();

  constructor(options: BotProcessOptions) {
    this.#options = options;
  }

  get state(): BotState {
    return this.#machine.current;
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** Why it is not ready, for people; null: it is. */
  get problem(): string | null {
    return this.#machine.is('ready') ? null : `the bot is not ready: ${this.#why}`;
  }

  start(): void {
    this.#done = this.#run();
  }

  /** The bot has its guilds. */
  ready(): void {
    if (!this.#machine.enter('ready')) return;
    this.#stopWaiting();
    this.#readyAt ??= monotonicNow();
  }

  /** The bot has disconnected. It may come back on its own. */
  gone(): void {
    if (this.#machine.is('ready') && this.#machine.enter('starting')) this.#expectReady('it has disconnected');
  }

  /** The bot hangs: it sends no heartbeats. */
  silent(): void {
    if (this.#child === null) return;
    this.#options.log.error('the bot hangs: it is killed and started again');
    this.#why = 'it hung and was killed';
    this.#kill('SIGKILL');
  }

  /** Ends it, by SIGKILL if it does not end in time. */
  async stop(): Promise<void> {
    this.#machine.enter('stopped');
    this.#stopping.abort();
    this.#stopWaiting();
    if (this.#child !== null) {
      this.#kill('SIGTERM');
      const late = setTimeout(() => this.#kill('SIGKILL'), this.#options.stopMs);
      await this.#done;
      clearTimeout(late);
    }
  }

  async #run(): Promise<void> {
    const { log, onEnd, backoffMs = BACKOFF_MS } = this.#options;
    const { signal } = this.#stopping;
    while (this.#machine.enter('starting')) {
      this.#readyAt = null;
      this.#expectReady('it starts');
      const how = await this.#once();
      this.#stopWaiting();
      onEnd();
      if (!this.#machine.enter('waiting')) return;
      const wasSteady = this.#readyAt !== null && elapsed(this.#readyAt) >= STEADY_MS;
      this.#failures = wasSteady ? 1 : this.#failures + 1;
      const waitMs = Math.min(MAX_BACKOFF_MS, backoffMs * 2 ** (this.#failures - 1));
      this.#why = `it ended (${how}); its next start is ${waitMs / 1_000} s later`;
      log.error({ restartMs: waitMs }, `the bot ended (${how}); it is started again`);
      await delay(waitMs, undefined, { signal }).catch(() => {});
    }
  }

  /** @returns how it ended */
  async #once(): Promise<string> {
    const { cwd, env, log } = this.#options;
    const [program = '', ...args] = [...DIES_WITH_POD, ...this.#options.command];
    const child = spawn(program, args, {
      ...(cwd === undefined ? {} : { cwd }),
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      // A process group of its own: what the bot has started ends with it.
      detached: true,
    });
    const failed = once(child, 'error').then(([error]) => (error as Error).message);
    this.#child = child;
    logLines(child.stdout, (line) => log.info({ bot: 'stdout' }, line));
    logLines(child.stderr, (line) => log.warn({ bot: 'stderr' }, line));
    log.info({ pid: child.pid }, 'the bot starts');
    const ended = once(child, 'close').then(([code, signal]) => signal ?? `code ${code}`);
    const how = await Promise.race([failed, ended]);
    this.#kill('SIGKILL');
    this.#child = null;
    return how;
  }

  #expectReady(why: string): void {
    this.#why = why;
    this.#stopWaiting();
    const { readyMs, log } = this.#options;
    this.#readyTimer = setTimeout(() => {
      log.error({ readyMs }, 'the bot does not get ready: it is killed and started again');
      this.#kill('SIGKILL');
    }, readyMs).unref();
  }

  #stopWaiting(): void {
    if (this.#readyTimer !== null) clearTimeout(this.#readyTimer);
    this.#readyTimer = null;
  }

  /** Signals the process and everything that it has started. */
  #kill(signal: NodeJS.Signals): void {
    const { pid } = this.#child ?? {};
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // They have ended.
    }
  }
}

function logLines(stream: Readable, log: (line: string) => void): void {
  const lines = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY });
  lines.on('line', (line) => log(line.slice(0, MAX_LINE)));
}
