import { setTimeout as delay } from 'node:timers/promises';
import { errorFacts } from '../../observability/error-facts.ts';
import type { Logger } from '../../observability/log.ts';
import { type Duration, type MonotonicClock, monotonicNow, type WallTime } from '../../time.ts';
import type { GuildActivity } from '../moving/guild-activity.ts';
import type { GuildOwnership } from '../moving/guild-ownership.ts';
import type { StoredJob } from '../store/jobs.ts';
import type { Store } from '../store/store.ts';
import type { JobExecution } from './execution.ts';
import type { JobMetrics } from './metrics.ts';

export interface JobRunnerOptions {
  readonly store: Pick<Store, 'connection' | 'jobs'>;
  readonly execution: Pick<JobExecution, 'run'>;
  readonly ownership: Pick<GuildOwnership, 'decide' | 'changed'>;
  readonly activity: GuildActivity;
  readonly metrics: JobMetrics;
  readonly log: Logger;
  readonly monotonic?: MonotonicClock;
  readonly random?: () => number;
}

/** Jobs that run at the same time. */
const MAX_RUNNING = 64;
/** After a long absence thousands may be due: live traffic is served meanwhile. */
const RATE_PER_SECOND = 500;
const BURST = 50;
const TICK_MS = 25;
/** Pods that start together do not begin with their late jobs together. */
const START_JITTER_MS = 500;
/** The longest wait for a job, so that a machine that slept is noticed. Without jobs there is no timer. */
const LONGEST_WAIT_MS = 1_000;
const AFTER_ERROR_MS = 1_000;

/**
 * Starts the jobs of this pod's guilds when they are due. A job of a guild that is leaving waits until the guild is here again, or is
 * run by its new owner, which gets the row. No job of a guild is started twice: this process alone owns the database.
 */
export class JobRunner {
  readonly #options: JobRunnerOptions;
  readonly #running = new Map<string, Promise<void>>();
  /** Guilds with due jobs that must not run now. Any change of ownership empties it. */
  readonly #blocked = new Set<string>();
  #timer: NodeJS.Timeout | null = null;
  #wakeAt = Number.POSITIVE_INFINITY;
  #stopped = true;
  #tokens = BURST;
  #refilledAt: number;

  constructor(options: JobRunnerOptions) {
    this.#options = options;
    this.#refilledAt = this.#monotonic();
  }

  get running(): number {
    return this.#running.size;
  }

  start(): void {
    const { jobs } = this.#options.store;
    this.#stopped = false;
    jobs.watch((dueAt) => this.#wakeIn(dueAt - jobs.now()));
    this.#followOwnership();
    const { nextAt } = jobs.counts();
    if (nextAt === null) return;
    const late = nextAt <= jobs.now();
    this.#wakeIn(late ? (this.#options.random ?? Math.random)() * START_JITTER_MS : nextAt - jobs.now());
  }

  /** Starts no more jobs. Resolves when the running ones have ended, or after a time. */
  async stop(patienceMs: Duration): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await Promise.race([Promise.all(this.#running.values()), delay(patienceMs, undefined, { ref: false })]);
  }

  #monotonic(): number {
    return (this.#options.monotonic ?? monotonicNow)();
  }

  #followOwnership(): void {
    void this.#options.ownership.changed.then(() => {
      if (this.#stopped) return;
      this.#blocked.clear();
      this.#wakeIn(0);
      this.#followOwnership();
    });
  }

  /** Looks for due jobs after this time, unless it does so before. */
  #wakeIn(ms: Duration): void {
    if (this.#stopped) return;
    const waitMs = Math.min(Math.max(ms, 0), LONGEST_WAIT_MS);
    const wakeAt = this.#monotonic() + waitMs;
    if (this.#timer !== null && this.#wakeAt <= wakeAt) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#wakeAt = wakeAt;
    this.#timer = setTimeout(() => void this.#wake(), Math.ceil(waitMs)).unref();
  }

  async #wake(): Promise<void> {
    const { store, log } = this.#options;
    this.#timer = null;
    try {
      // A job that another handler has just scheduled may not be committed yet.
      while (store.connection.pending !== null) await store.connection.settled().catch(() => {});
      if (this.#stopped) return;
      this.#startDue();
    } catch (error) {
      log.warn({ err: errorFacts(error) }, 'jobs could not be started; trying again');
      this.#wakeIn(AFTER_ERROR_MS);
    }
  }

  #startDue(): void {
    const { store } = this.#options;
    this.#refill();
    const now = store.jobs.now();
    const room = Math.min(Math.floor(this.#tokens), MAX_RUNNING - this.#running.size);
    const { taken, more } = this.#take(now, room);
    if (taken.length > 0) {
      store.jobs.begin(taken);
      this.#tokens -= taken.length;
      for (const job of taken) this.#start(job, now);
    }
    if (more) this.#wakeIn(TICK_MS);
    const next = store.jobs.nextAfter(now);
    if (next !== null) this.#wakeIn(next - now);
  }

  #refill(): void {
    const now = this.#monotonic();
    this.#tokens = Math.min(BURST, this.#tokens + ((now - this.#refilledAt) * RATE_PER_SECOND) / 1_000);
    this.#refilledAt = now;
  }

  /** Due jobs that may run. @returns them, and whether there are more than there is room for */
  #take(now: WallTime, room: number): { readonly taken: readonly StoredJob[]; readonly more: boolean } {
    const { store } = this.#options;
    for (;;) {
      const due = store.jobs
        .due(now, room + this.#running.size + 1, this.#blocked)
        .filter(({ id }) => !this.#running.has(id));
      const blocked = due.filter(({ guildId }) => !this.#mayRun(guildId));
      if (blocked.length === 0) return { taken: due.slice(0, room), more: due.length > room };
      for (const { guildId } of blocked) this.#blocked.add(guildId);
    }
  }

  #mayRun(guildId: string): boolean {
    return guildId === '' || this.#options.ownership.decide(guildId).kind === 'serve';
  }

  #start(job: StoredJob, now: WallTime): void {
    const { activity, metrics } = this.#options;
    metrics.lateSeconds.observe((now - job.runAt) / 1_000);
    const leave = job.guildId === '' ? null : activity.enter(job.guildId);
    const ended = this.#run(job).finally(() => {
      leave?.();
      this.#running.delete(job.id);
      this.#wakeIn(0);
    });
    this.#running.set(job.id, ended);
  }

  /** Never rejects. */
  async #run(job: StoredJob): Promise<void> {
    const { execution, metrics, log } = this.#options;
    try {
      metrics.jobs.inc({ job: job.name, outcome: await execution.run(job) });
    } catch (error) {
      log.error(
        { err: errorFacts(error), job: job.name, id: job.id },
        'the end of a job was not stored; it runs again',
      );
      metrics.jobs.inc({ job: job.name, outcome: 'failed' });
      await delay(AFTER_ERROR_MS, undefined, { ref: false });
    }
  }
}
