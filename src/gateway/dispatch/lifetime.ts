import type { Bot } from '../../bot/define-bot.ts';
import { GuildwayError } from '../../errors.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import { type Duration, inMs } from '../../time.ts';
import { NO_MEMO } from '../store/ledger.ts';
import { HandlerContext, type Host } from './context.ts';
import { TimeLimit } from './time-limit.ts';

export interface BotLifetimeOptions {
  readonly bot: Pick<Bot, 'name' | 'start' | 'stop'>;
  readonly host: Host;
  readonly startLimitMs?: Duration;
  readonly stopLimitMs?: Duration;
}

const START_LIMIT_MS = 60_000;
/** Within the time that a draining pod has. */
const STOP_LIMIT_MS = 5_000;

/** Runs the bot's `start` before the pod runs any other handler, and its `stop` after the last one. */
export class BotLifetime {
  readonly #options: BotLifetimeOptions;
  readonly #stopping = new AbortController();
  #stopped: Promise<void> | null = null;

  constructor(options: BotLifetimeOptions) {
    this.#options = options;
  }

  /** @throws GuildwayError BOT_INVALID with the error of `start`, or if it takes longer than a minute */
  async start(): Promise<void> {
    const { bot, startLimitMs = START_LIMIT_MS } = this.#options;
    if (bot.start === undefined) return;
    try {
      await this.#within(startLimitMs, bot.start.bind(bot));
    } catch (cause) {
      throw new GuildwayError('BOT_INVALID', `bot ${JSON.stringify(bot.name)}: start() failed: ${message(cause)}`, {
        cause,
      });
    }
  }

  /** Aborts the signal of `start`, then runs `stop`, once. Never rejects. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    const { bot, host, stopLimitMs = STOP_LIMIT_MS } = this.#options;
    this.#stopping.abort();
    if (bot.stop === undefined) return;
    try {
      await this.#within(stopLimitMs, bot.stop.bind(bot));
    } catch (error) {
      host.log.error({ err: errorFacts(error) }, 'stop() of the bot failed');
    }
  }

  async #within(limitMs: Duration, hook: NonNullable<Bot['start']>): Promise<void> {
    const context = new HandlerContext(this.#options.host, {
      ...{ guildId: null, requestId: `pod:${this.#options.host.pod}`, durability: 'full', memo: NO_MEMO },
      deadlineAt: inMs(limitMs),
      signal: () => this.#stopping.signal,
    });
    await new TimeLimit(limitMs).within(Promise.resolve().then(() => hook(context)));
    await context.durable();
  }
}

const message = (error: unknown): string => (error instanceof Error ? error.message : String(error));
