import type { Bot } from '../../bot/define-bot.ts';
import type { AnyJobHandler, JobContext } from '../../bot/jobs.ts';
import { entryOf } from '../../bot/manifest.ts';
import { errorCode } from '../../errors.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import { after, elapsed, inMs, monotonicNow } from '../../time.ts';
import { HandlerContext, type Host } from '../dispatch/context.ts';
import { isStoreError } from '../dispatch/idempotent-runner.ts';
import { decodeResult } from '../dispatch/recorded-result.ts';
import { TimeLimit } from '../dispatch/time-limit.ts';
import type { Faults } from '../faults.ts';
import type { GatewayMetrics } from '../metrics.ts';
import type { StoredJob } from '../store/jobs.ts';
import { NO_MEMO } from '../store/ledger.ts';
import { ATTEMPTS, pauseAfter } from './backoff.ts';
import type { JobOutcome } from './metrics.ts';

const TIMEOUT_MS = 60_000;

export interface ExecutionOptions {
  readonly bot: Pick<Bot, 'jobs'>;
  readonly host: Host;
  readonly faults: Faults;
  readonly handlerSeconds: Pick<GatewayMetrics['handlerSeconds'], 'observe'>;
  readonly random?: () => number;
}

/** Runs attempts of jobs, and records how they ended. */
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
    const { host } = this.#options;
    const handler = entryOf(this.#handlers, job.name);
    if (handler === undefined) return this.#failed(job, ATTEMPTS, new Error(`the bot has no job ${job.name}`));
    const attempts = handler.attempts ?? ATTEMPTS;
    // The process ended in the last attempt, and may do so in each.
    if (job.attempts >= attempts) return this.#failed(job, attempts, new Error('the pod ended while the job ran'));
    const limit = new TimeLimit(handler.timeoutMs ?? TIMEOUT_MS);
    const context = this.#context(job, limit, handler.timeoutMs ?? TIMEOUT_MS);
    const { connection, jobs } = host.store;
    const startedAt = monotonicNow();
    try {
      const running = handler.run(decodeResult(job.payload) as never, context);
      if (running !== undefined) await limit.within(Promise.resolve(running));
      context.assertCommitted();
      connection.join('full', 'other', () => jobs.remove(job.id));
      await connection.settled();
      await context.durable();
      return 'ok';
    } catch (error) {
      if (errorCode(error) === 'JOB_CANCELLED') return 'cancelled';
      if (isStoreError(error)) throw error;
      return this.#failed(job, attempts, error);
    } finally {
      this.#options.handlerSeconds.observe({ kind: 'job' }, elapsed(startedAt) / 1_000);
    }
  }

  async #failed(job: StoredJob, attempts: number, error: unknown): Promise<JobOutcome> {
    const { host, random } = this.#options;
    const { connection, jobs } = host.store;
    const attempt = Math.min(attempts, job.attempts + 1);
    const last = attempt >= attempts;
    const reason = error instanceof Error ? error.message : String(error);
    const there = connection.join('normal', 'other', () =>
      last
        ? jobs.setAside(job.id, reason)
        : jobs.postpone(job.id, after(jobs.now(), pauseAfter(attempt, random)), reason),
    );
    await connection.settled();
    if (!there) return 'cancelled';
    const { id, name: jobName, guildId } = job;
    host.log.error(
      { err: errorFacts(error), job: jobName, id, guild: guildId || null, attempt, attempts },
      last
        ? 'the last attempt of a job failed; the job is set aside for an operator'
        : 'a job failed; it is tried again',
    );
    return last ? 'set-aside' : 'failed';
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
