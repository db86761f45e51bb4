import type { Bot } from '../../bot/define-bot.ts';
import type { Logger } from '../../observability/log.ts';
import type { Registry } from '../../observability/metrics.ts';
import type { Duration } from '../../time.ts';
import type { Host } from '../dispatch/context.ts';
import type { InteractionWebhook } from '../dispatch/interaction-webhook.ts';
import type { Faults } from '../faults.ts';
import type { GatewayMetrics } from '../metrics.ts';
import type { GuildActivity } from '../moving/guild-activity.ts';
import type { GuildOwnership } from '../moving/guild-ownership.ts';
import { readCronPlans } from './cron-plans.ts';
import { CronRows } from './cron-rows.ts';
import { JobExecution } from './execution.ts';
import { JobRunner } from './job-runner.ts';
import { createJobMetrics } from './metrics.ts';

export interface JobsOptions {
  readonly bot: Bot;
  readonly host: Host;
  readonly ownership: GuildOwnership;
  readonly activity: GuildActivity;
  /** The guilds that the bot is in; null: not known at present. */
  readonly members: () => ReadonlySet<string> | null;
  readonly webhook: InteractionWebhook;
  readonly faults: Faults;
  readonly metrics: GatewayMetrics;
  readonly registry: Registry;
  readonly log: Logger;
}

/** The bot's jobs in a pod that serves. */
export interface Jobs {
  /** Plain data for `/_guildway/state`. */
  state(): unknown;
  /** Starts no more jobs. Resolves when the running ones have ended, or after this time. */
  stop(patienceMs: Duration): Promise<void>;
}

/** Starts the bot's jobs and cron jobs when they are due. @throws GuildwayError BOT_INVALID for a wrong cron expression */
export async function startJobs(options: JobsOptions): Promise<Jobs> {
  const { bot, host, faults, ownership, activity, members, webhook, metrics, registry, log } = options;
  const { store, pod } = host;
  const plans = await readCronPlans(bot.cron ?? {});
  const cronRows = new CronRows({ plans, pod, store, ownership, members, log });
  const overdueSeconds = (): number => {
    const { nextAt } = store.jobs.counts();
    return nextAt === null ? 0 : Math.max(0, (store.jobs.now() - nextAt) / 1_000);
  };
  const runner = new JobRunner({
    ...{ store, ownership, activity, log },
    execution: new JobExecution({
      ...{ bot, host, webhook, faults, crons: plans, handlerSeconds: metrics.handlerSeconds },
      isRun: (plan, guildId) => cronRows.isRun(plan, guildId),
    }),
    metrics: createJobMetrics(registry, {
      waiting: () => store.jobs.counts().waiting,
      setAside: () => store.jobs.counts().setAside,
      overdueSeconds,
    }),
  });
  runner.start();
  cronRows.start();
  return {
    state: () => {
      const { waiting, setAside } = store.jobs.counts();
      return { waiting, setAside, running: runner.running, overdueSeconds: overdueSeconds() };
    },
    stop(patienceMs) {
      cronRows.stop();
      return runner.stop(patienceMs);
    },
  };
}
