import type { BotContext } from './context.ts';
import type { JobPayload, JobPayloads, JsonValue } from './scheduling.ts';

/** The context of a job. */
export interface JobContext extends BotContext {
  readonly job: {
    readonly name: string;
    readonly key: string | null;
    /** When it was to run, in Unix milliseconds. Retries do not change it. */
    readonly dueAt: number;
    /** 1 for the first attempt. */
    readonly attempt: number;
  };
}

/** A job: work that the owner of its guild does later. */
export interface JobHandler<Payload> {
  /**
   * Runs the job. What it does in `context.transaction` is done once; everything else may happen again if the pod is killed. If it
   * throws, it is retried: after 1 s, 2 s, 4 s and so on, at most every 10 minutes.
   */
  run(payload: Payload, context: JobContext): void | Promise<void>;
  /** How often it is attempted before it is set aside for an operator. Default 15, which takes about an hour. */
  readonly attempts?: number;
  /** The time limit of one attempt in milliseconds. Default 60,000. */
  readonly timeoutMs?: number;
}

/** Jobs by name. */
export type JobHandlers = keyof JobPayloads extends never
  ? // biome-ignore lint/suspicious/noExplicitAny: without declared payloads, each handler states its own
    Readonly<Record<string, JobHandler<any>>>
  : { readonly [Name in keyof JobPayloads & string]: JobHandler<JobPayload<Name>> };

/** A job as the runner sees it: the payload is what was scheduled. */
export type AnyJobHandler = JobHandler<JsonValue>;

/** What is wrong with a declared job or cron job, as a sentence; null: nothing. */
export function findJobProblem(
  kind: 'job' | 'cron job',
  name: string,
  { run, attempts = 1, timeoutMs = 1 }: Pick<AnyJobHandler, 'attempts' | 'timeoutMs'> & { readonly run: unknown },
): string | null {
  const job = `the ${kind} ${JSON.stringify(name)}`;
  if (!/^[A-Za-z_][\w.-]{0,99}$/.test(name))
    return `${job}: its name must be letters, digits, "_", "-" or ".", at most 100, and begin with a letter`;
  if (typeof run !== 'function') return `${job} has no run()`;
  if (!(Number.isInteger(attempts) && attempts > 0))
    return `${job}: attempts is ${attempts}; it must be a positive integer`;
  if (!(Number.isInteger(timeoutMs) && timeoutMs > 0 && timeoutMs < 2 ** 31))
    return `${job}: timeoutMs is ${timeoutMs}; it must be a positive integer below 2^31`;
  return null;
}
