import { Counter, Histogram, type Registry, watchGauge } from '../../observability/metrics.ts';

/**
 * - `ok`: done
 * - `failed`: it will be tried again
 * - `set-aside`: its last attempt has failed; it waits for an operator
 * - `cancelled`: it was cancelled or replaced while it ran
 */
export type JobOutcome = 'ok' | 'failed' | 'set-aside' | 'cancelled';

interface JobSources {
  readonly waiting: () => number;
  readonly setAside: () => number;
  readonly overdueSeconds: () => number;
}

export interface JobMetrics {
  readonly jobs: Counter<'job' | 'outcome'>;
  readonly lateSeconds: Histogram;
}

export function createJobMetrics(registry: Registry, sources: JobSources): JobMetrics {
  const registers = [registry];
  watchGauge(registry, 'guildway_jobs_waiting', 'Jobs of the bot that are scheduled or running.', sources.waiting);
  watchGauge(
    registry,
    'guildway_jobs_set_aside',
    'Jobs whose last attempt has failed. They wait for an operator.',
    sources.setAside,
  );
  watchGauge(
    registry,
    'guildway_jobs_overdue_seconds',
    'How long the oldest job that is due has waited.',
    sources.overdueSeconds,
  );
  return {
    jobs: new Counter({
      name: 'guildway_jobs_total',
      help: "Attempts of the bot's jobs that have ended.",
      labelNames: ['job', 'outcome'],
      registers,
    }),
    lateSeconds: new Histogram({
      name: 'guildway_job_late_seconds',
      help: 'How long after it was due an attempt of a job began.',
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 60, 600, 3_600, 86_400],
      registers,
    }),
  };
}
