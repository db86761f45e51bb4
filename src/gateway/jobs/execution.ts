import type { Bot } from '../../bot/define-bot.ts';
import type { AnyJobHandler, JobContext } from '../../bot/jobs.ts';
import { entryOf } from '../../bot/manifest.ts';
import { errorCode } from '../../errors.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import { after, elapsed, inMs, monotonicNow, type WallTime } from '../../time.ts';
import { HandlerContext, type Host } from '../dispatch/context.ts';
import { isStoreError } from '../dispatch/idempotent-runner.ts';
import type { InteractionWebhook } from '../dispatch/interaction-webhook.ts';
import { decodeResult } from '../dispatch/recorded-result.ts';
import { TimeLimit } from '../dispatch/time-limit.ts';
import type { Faults } from '../faults.ts';
import type { GatewayMetrics } from '../metrics.ts';
import type { StoredJob } from '../store/jobs.ts';
import { NO_MEMO } from '../store/ledger.ts';
import { ATTEMPTS, pauseAfter } from './backoff.ts';
import { type CronPlan, isCronRow } from './cron-plans.ts';
import { isInteractionRow, runInteractionWork } from './interaction-work.ts';
import type { JobOutcome } from './metrics.ts';

const TIMEOUT_MS = 60_000;

/** How late a run of a cron job may begin without a word about it. */
const LATE_MS = 60_000;

export interface ExecutionOptions {
  readonly bot: Bot;
  readonly webhook: Pick<InteractionWebhook, 'send' | 'original'>;
  readonly host: Host;
  readonly crons: ReadonlyMap<string, CronPlan>;
  /** Whether a row of a cron job is run. */
  readonly isRun: (plan: CronPlan, guildId: string) => boolean;
  readonly faults: Faults;
  readonly handlerSeconds: Pick<GatewayMetrics['handlerSeconds'], 'observe'>;
  readonly random?: () => number;
}

/** What a row of `guildway_jobs` stands for. */
interface Work {
  readonly attempts: number;
  readonly timeoutMs: number;
  readonly run: (context: JobContext) => void | Promise<void>;
  /** The next run of a cron job; null: none. Undefined for a job, which has one. */
  readonly next?: () => WallTime | null;
}

/** Runs attempts of jobs and cron jobs, and records how they ended. */
export class JobExecution {
  readonly #options: ExecutionOptions;
  readonly #handlers: Readonly<Record<string, AnyJobHandler>>;

  constructor(options: ExecutionOptions) {
    this.#options = options;
    this.#handlers = (options.bot.jobs ?? {}) as Readonly<Record<string, AnyJobHandler>>;
  }

  /**
   * Runs one attempt. If its handler waits for nothing, its transactions and the removal of the job are one commit.
   * @throws GuildwayError STORE_FAILED, FENCED, DATABASE_CORRUPT when the outcome could not be recorded
   */
  async run(job: StoredJob): Promise<JobOutcome> {
    const work = this.#workOf(job);
    const { attempts, timeoutMs } = work;
    // The process ended in the last attempt, and may do so in each.
    if (job.attempts >= attempts) return this.#failed(job, work, new Error('the pod ended while the job ran'));
    const limit = new TimeLimit(timeoutMs);
    const context = this.#context(job, limit, timeoutMs);
    const { connection } = this.#options.host.store;
    const startedAt = monotonicNow();
    try {
      const running = work.run(context);
      if (running !== undefined) await limit.within(Promise.resolve(running));
      context.assertCommitted();
      connection.join('full', 'other', () => this.#end(job, work));
      await connection.settled();
      await context.durable();
      return 'ok';
    } catch (error) {
      if (errorCode(error) === 'JOB_CANCELLED') return 'cancelled';
      if (isStoreError(error)) throw error;
      return await this.#failed(job, work, error);
    } finally {
      this.#options.handlerSeconds.observe({ kind: 'job' }, elapsed(startedAt) / 1_000);
    }
  }

  #workOf(job: StoredJob): Work {
    if (isCronRow(job.name)) return this.#cronWork(job);
    if (!isInteractionRow(job.name)) return this.#jobWork(job);
    const { bot, webhook, host } = this.#options;
    const { now } = host.store.jobs;
    const run = (context: JobContext) => runInteractionWork(job, context, { bot, webhook, now });
    return { attempts: ATTEMPTS, timeoutMs: TIMEOUT_MS, run };
  }

  #jobWork(job: StoredJob): Work {
    const handler = entryOf(this.#handlers, job.name);
    return {
      attempts: handler?.attempts ?? ATTEMPTS,
      timeoutMs: handler?.timeoutMs ?? TIMEOUT_MS,
      run(context) {
        if (handler === undefined) throw new Error(`this version of the bot has no job ${job.name}`);
        return handler.run(decodeResult(job.payload) as never, context);
      },
    };
  }

  #cronWork(job: StoredJob): Work {
    const { host, crons, isRun } = this.#options;
    const { now } = host.store.jobs;
    const plan = crons.get(job.name);
    // The bot no longer has it, or not for this guild: its row ends without a run.
    if (plan === undefined) return { attempts: ATTEMPTS, timeoutMs: TIMEOUT_MS, run: () => {} };
    const { handler } = plan;
    const next = (): WallTime | null => plan.next(now(), job.guildId);
    const { attempts = ATTEMPTS, timeoutMs = TIMEOUT_MS } = handler;
    if (!isRun(plan, job.guildId)) {
      const isOfAnotherKind = (handler.per === 'guild') !== (job.guildId !== '') || handler.per === 'cluster';
      return { attempts, timeoutMs, run: () => {}, ...(isOfAnotherKind ? {} : { next }) };
    }
    return {
      ...{ attempts, timeoutMs, next },
      run: (context) => {
        const lateMs = now() - job.dueAt;
        if (lateMs > LATE_MS) context.log.warn({ lateSeconds: Math.round(lateMs / 1_000) }, 'a cron job runs late');
        return handler.run(context);
      },
    };
  }

  #end({ id }: StoredJob, { next }: Work): boolean {
    const { jobs } = this.#options.host.store;
    const at = next?.() ?? null;
    if (at !== null) return jobs.repeat(id, at);
    jobs.remove(id);
    return true;
  }

  async #failed(job: StoredJob, work: Work, error: unknown): Promise<JobOutcome> {
    const { host, random } = this.#options;
    const { connection, jobs } = host.store;
    const { attempts, next } = work;
    const attempt = Math.min(attempts, job.attempts + 1);
    const again = after(jobs.now(), pauseAfter(attempt, random));
    const last = attempt >= attempts || (next?.() ?? again) < again;
    const reason = error instanceof Error ? error.message : String(error);
    const there = connection.join('normal', 'other', () => {
      if (!last) return jobs.postpone(job.id, again, reason);
      return next === undefined ? jobs.setAside(job.id, reason) : this.#end(job, work);
    });
    await connection.settled();
    if (!there) return 'cancelled';
    const { id, name: jobName, guildId } = job;
    const what = next === undefined ? 'it is set aside for an operator' : 'this run of a cron job is given up';
    host.log.error(
      { err: errorFacts(error), job: jobName, id, guild: guildId || null, attempt, attempts },
      last ? `the last attempt of a job failed; ${what}` : 'a job failed; it is tried again',
    );
    return last && next === undefined ? 'set-aside' : 'failed';
  }

  #context(job: StoredJob, limit: TimeLimit, timeoutMs: number): HandlerContext & JobContext {
    const { host, faults } = this.#options;
    const { id, name, key, dueAt, attempts } = job;
    const context = new HandlerContext(host, {
      guildId: job.guildId === '' ? null : job.guildId,
      requestId: `job:${id}`,
      durability: 'full',
      memo: faults.has('no-ledger') ? NO_MEMO : host.store.jobs.memo(job),
      deadlineAt: inMs(timeoutMs),
      signal: limit.signal,
      jobId: id,
      facts: { job: name },
    });
    return Object.assign(context, { job: { name, key, dueAt, attempt: attempts + 1 } });
  }
}
