import type { JobContext } from './jobs.ts';

/** When a cron job runs. */
export type CronTimes =
  | {
      /** `30s`, `15m`, `1h`, `1d`: at the multiples of this time in UTC. `per: 'guild'` spreads the guilds over it. */
      readonly every: string;
      readonly cron?: undefined;
      readonly timeZone?: undefined;
    }
  | {
      /** A cron expression of five fields, or six with seconds first, as https://croner.56k.guru takes it. */
      readonly cron: string;
      /** An IANA time zone, such as `Europe/Berlin`. Default `UTC`. */
      readonly timeZone?: string;
      readonly every?: undefined;
    };

/** Work that is repeated. A run that was missed is made up for once. */
export type CronHandler = CronTimes & {
  /**
   * - `guild`: once for each guild that the bot is in, at its owner
   * - `pod`: once at each gateway pod
   * - `cluster`: once, at pod 0. While pod 0 is away it is late
   */
  readonly per: 'guild' | 'pod' | 'cluster';
  /** As in a job: its transactions are done once for each run. */
  run(context: JobContext): void | Promise<void>;
  /** How often a run is attempted before it is given up. Default 15. It is given up in any case when the next run is due. */
  readonly attempts?: number;
  /** The time limit of one attempt in milliseconds. Default 60,000. */
  readonly timeoutMs?: number;
};

/** Cron jobs by name. */
export type CronHandlers = Readonly<Record<string, CronHandler>>;

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The milliseconds of a time such as `15m`; null if it is not one. */
export function millisecondsOf(time: string): number | null {
  const [, count, unit] = /^([1-9]\d{0,5})([smhd])$/.exec(time) ?? [];
  return count === undefined || unit === undefined ? null : Number(count) * (UNITS[unit] as number);
}

/** What is wrong with when and where a cron job runs, as a sentence; null: nothing. Expressions are checked when a pod starts. */
export function findCronProblem(name: string, { every, cron, per, timeZone }: CronHandler): string | null {
  const job = `the cron job ${JSON.stringify(name)}`;
  if ((every === undefined) === (cron === undefined)) return `${job} has either every or cron`;
  if (every !== undefined && millisecondsOf(every) === null)
    return `${job}: every is ${JSON.stringify(every)}; it must be a number with s, m, h or d, such as "15m"`;
  if (every !== undefined && timeZone !== undefined)
    return `${job}: a time zone belongs to a cron expression, not to every`;
  if (per !== 'guild' && per !== 'pod' && per !== 'cluster')
    return `${job}: per is ${JSON.stringify(per)}; it must be "guild", "pod" or "cluster"`;
  return null;
}
