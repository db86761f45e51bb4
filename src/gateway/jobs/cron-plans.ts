import { hash } from 'node:crypto';
import { type CronHandler, type CronHandlers, millisecondsOf } from '../../bot/cron.ts';
import { GuildwayError } from '../../errors.ts';
import { asWallTime, type WallTime } from '../../time.ts';

/** A cron job of the bot, ready to use. */
export interface CronPlan {
  /** The name of its rows in `guildway_jobs`. No job of the bot has such a name. */
  readonly rowName: string;
  readonly handler: CronHandler;
  /** Changes when its times change. */
  readonly spec: string;
  /** The first moment after another one; null: none. @param guildId `''`: none */
  next(after: WallTime, guildId: string): WallTime | null;
}

const PREFIX = 'cron:';

export const isCronRow = (name: string): boolean => name.startsWith(PREFIX);

/** Reads the cron jobs of a bot. @throws GuildwayError BOT_INVALID for an expression or a time zone that croner does not take */
export async function readCronPlans(handlers: CronHandlers): Promise<ReadonlyMap<string, CronPlan>> {
  const plans = new Map<string, CronPlan>();
  for (const [name, handler] of Object.entries(handlers)) {
    const rowName = PREFIX + name;
    plans.set(
      rowName,
      handler.every === undefined ? await byExpression(rowName, handler) : byInterval(rowName, handler),
    );
  }
  return plans;
}

function byInterval(rowName: string, handler: CronHandler & { readonly every: string }): CronPlan {
  const everyMs = millisecondsOf(handler.every) as number;
  return {
    ...{ rowName, handler, spec: `every ${handler.every}` },
    next(after, guildId) {
      const phaseMs = guildId === '' ? 0 : phaseOf(`${rowName}:${guildId}`, everyMs);
      return asWallTime((Math.floor((after - phaseMs) / everyMs) + 1) * everyMs + phaseMs);
    },
  };
}

async function byExpression(rowName: string, handler: CronHandler & { readonly cron: string }): Promise<CronPlan> {
  const { cron: expression, timeZone = 'UTC' } = handler;
  // Loaded only if a bot has one.
  const { Cron } = await import('croner');
  try {
    const cron = new Cron(expression, { timezone: timeZone, paused: true });
    cron.nextRun();
    return {
      ...{ rowName, handler, spec: `${expression} ${timeZone}` },
      next(after) {
        const at = cron.nextRun(new Date(after));
        return at === null ? null : asWallTime(at.getTime());
      },
    };
  } catch (cause) {
    throw new GuildwayError(
      'BOT_INVALID',
      `the ${rowName.replace(':', ' job ')}: ${JSON.stringify(expression)} in ${timeZone}: ${(cause as Error).message}`,
      { cause },
    );
  }
}

/** The same at each pod, so that a guild keeps its moments when it moves. */
const phaseOf = (key: string, everyMs: number): number => Number.parseInt(hash('md5', key).slice(0, 12), 16) % everyMs;
