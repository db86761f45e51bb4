import { setTimeout as delay } from 'node:timers/promises';
import type { Bot } from '../../bot/define-bot.ts';
import type { BotContext } from '../../bot/types.ts';
import { errorCode } from '../../errors.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import { after, elapsed, type MonotonicTime, monotonicNow } from '../../time.ts';
import type { GuildEvent } from '../discord-seam.ts';
import type { Faults } from '../faults.ts';
import type { GatewayMetrics } from '../metrics.ts';
import { NO_MEMO } from '../store/ledger.ts';
import { HandlerContext, HandlerDeadline, type Host } from './context.ts';
import { TimeLimit } from './time-limit.ts';

/** After this a handler is given up on, so that the later events of its guild are handled. */
const HANDLER_LIMIT_MS = 60_000;
/** While the disk refuses writes an event is tried again this often, within the limit. */
const RETRY_MS = 500;

type Handler = (data: unknown, context: BotContext) => void | Promise<void>;

/** Runs the bot's handlers of gateway events: those of one guild in order, those of several guilds side by side. */
export class EventDispatch {
  readonly #handlers: Readonly<Record<string, Handler>>;
  readonly #host: Host;
  readonly #faults: Faults;
  readonly #metrics: GatewayMetrics;
  /** The last event of each guild that has one running. Handlers that do not wait for anything never enter it. */
  readonly #tails = new Map<string | null, Promise<void>>();

  constructor(options: { bot: Bot; host: Host; faults: Faults; metrics: GatewayMetrics }) {
    this.#handlers = (options.bot.events ?? {}) as Readonly<Record<string, Handler>>;
    this.#host = options.host;
    this.#faults = options.faults;
    this.#metrics = options.metrics;
  }

  /** Resolves when the event has been handled, failed or been given up on; never rejects. */
  dispatch(event: GuildEvent): Promise<void> {
    const handler = Object.hasOwn(this.#handlers, event.name) ? this.#handlers[event.name] : undefined;
    if (handler === undefined) return Promise.resolve();
    const { guildId } = event;
    const before = this.#tails.get(guildId);
    const run = before === undefined ? this.#handle(handler, event) : before.then(() => this.#handle(handler, event));
    if (run === undefined) return Promise.resolve();
    this.#tails.set(guildId, run);
    return run.then(() => {
      if (this.#tails.get(guildId) === run) this.#tails.delete(guildId);
    });
  }

  /** Undefined when the handler has finished already. */
  #handle(handler: Handler, event: GuildEvent): Promise<void> | undefined {
    const startedAt = monotonicNow();
    const limit = new TimeLimit(HANDLER_LIMIT_MS);
    try {
      const pending = handler(event.data, this.#context(event, limit, startedAt));
      if (pending === undefined) {
        this.#finished(event, 'ok', startedAt);
        return undefined;
      }
      return limit.within(Promise.resolve(pending)).then(
        () => this.#finished(event, 'ok', startedAt),
        (error: unknown) => this.#failed(handler, event, error, startedAt),
      );
    } catch (error) {
      return this.#failed(handler, event, error, startedAt);
    }
  }

  /** Tries an event again for which there was no room on the disk; whatever else a handler throws is its answer. */
  async #failed(handler: Handler, event: GuildEvent, error: unknown, startedAt: MonotonicTime): Promise<void> {
    let last = error;
    while (errorCode(last) === 'STORE_FAILED' && elapsed(startedAt) < HANDLER_LIMIT_MS) {
      await delay(RETRY_MS, undefined, { ref: false });
      const limit = new TimeLimit(HANDLER_LIMIT_MS);
      try {
        await limit.within(Promise.resolve(handler(event.data, this.#context(event, limit, startedAt))));
        this.#finished(event, 'ok', startedAt);
        return;
      } catch (again) {
        last = again;
      }
    }
    const { name, guildId, shard, sequence } = event;
    this.#host.log.error(
      { err: errorFacts(last), event: name, guild: guildId, shard, sequence },
      'the handler of an event failed',
    );
    this.#finished(event, 'failed', startedAt);
  }

  #context(event: GuildEvent, limit: TimeLimit, startedAt: MonotonicTime): HandlerContext {
    const { sessionId, sequence, guildId, name, shard } = event;
    return new HandlerContext(this.#host, {
      guildId,
      requestId: `event:${shard}:${sequence}`,
      durability: 'normal',
      memo: this.#faults.has('no-ledger') ? NO_MEMO : this.#host.store.sessions.memo(sessionId, sequence),
      deadline: new HandlerDeadline(after(startedAt, HANDLER_LIMIT_MS)),
      signal: limit.signal,
      facts: { event: name },
    });
  }

  #finished({ name }: GuildEvent, outcome: 'ok' | 'failed', startedAt: MonotonicTime): void {
    this.#metrics.events.inc({ event: name, outcome });
    this.#metrics.handlerSeconds.observe({ kind: 'event' }, elapsed(startedAt) / 1_000);
  }
}
