import { setTimeout as delay } from 'node:timers/promises';
import type { Bot } from '../../bot/define-bot.ts';
import type { BotContext } from '../../bot/types.ts';
import { errorCode } from '../../errors.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import { after, elapsed, type MonotonicTime, monotonicNow } from '../../time.ts';
import type { GuildEvent } from '../discord-seam.ts';
import type { Faults } from '../faults.ts';
import type { GatewayMetrics } from '../metrics.ts';
import type { GuildActivity } from '../moving/guild-activity.ts';
import type { Durability } from '../store/commit-group.ts';
import { NO_MEMO, type StepMemo } from '../store/ledger.ts';
import { HandlerContext, type Host } from './context.ts';
import { isStoreError } from './idempotent-runner.ts';
import { TimeLimit } from './time-limit.ts';

/** Time limit of a handler. After it, the next event of the guild is handled. */
const HANDLER_LIMIT_MS = 60_000;
/** The interval of retries while the disk refuses writes, within the time limit. */
const RETRY_MS = 500;

type Handler = (data: unknown, context: BotContext) => void | Promise<void>;

/** How the results of an event's transactions are recorded. */
export interface Recording {
  readonly memo: StepMemo;
  readonly durability: Durability;
}

/** `ok`: handled and committed. `failed`: its handler threw. `not-stored`: the database refused every try. */
export type EventOutcome = 'ok' | 'failed' | 'not-stored';

/** An event and its handler. */
interface Run {
  readonly handler: Handler;
  readonly event: GuildEvent;
  readonly recording: Recording;
  readonly startedAt: MonotonicTime;
}

/** A call of a handler that has ended. Its writes may not be committed yet. */
interface Attempt {
  readonly context: HandlerContext;
  /** What the handler threw, or null. */
  readonly error: unknown;
}

/** Runs the bot's handlers of gateway events: in order within a guild, concurrently across guilds. */
export class EventDispatch {
  readonly #handlers: Readonly<Record<string, Handler>>;
  readonly #host: Host;
  readonly #faults: Faults;
  readonly #metrics: GatewayMetrics;
  readonly #activity: GuildActivity;
  /** By guild: the last event while one is running. Handlers that wait for nothing never enter this map. */
  readonly #tails = new Map<string | null, Promise<void>>();

  constructor(options: {
    readonly bot: Bot;
    readonly host: Host;
    readonly activity: GuildActivity;
    readonly faults: Faults;
    readonly metrics: GatewayMetrics;
  }) {
    this.#handlers = (options.bot.events ?? {}) as Readonly<Record<string, Handler>>;
    this.#host = options.host;
    this.#faults = options.faults;
    this.#metrics = options.metrics;
    this.#activity = options.activity;
  }

  /**
   * Resolves when the event is handled and committed, has failed, or has exceeded its time limit. Never rejects.
   * @param recording default: until the session that delivered the event can no longer deliver it again
   */
  dispatch(event: GuildEvent, recording: Recording = this.#ofSession(event)): Promise<EventOutcome> {
    const handler = Object.hasOwn(this.#handlers, event.name) ? this.#handlers[event.name] : undefined;
    if (handler === undefined) return Promise.resolve('ok');
    const run: Run = { handler, event, recording, startedAt: monotonicNow() };
    const leave = event.guildId === null ? null : this.#activity.enter(event.guildId);
    const before = this.#tails.get(event.guildId);
    const handled = before === undefined ? this.#handle(run) : before.then(() => this.#handle(run));
    const settled =
      handled instanceof Promise ? handled.then((attempt) => this.#settle(run, attempt)) : this.#settle(run, handled);
    if (handled instanceof Promise) this.#follow(event.guildId, handled);
    return leave === null ? settled : settled.finally(leave);
  }

  /** Later events of the guild wait for this one, but not for its commit: they commit with it or later. */
  #follow(guildId: string | null, handled: Promise<unknown>): void {
    const tail = handled.then(() => {
      if (this.#tails.get(guildId) === tail) this.#tails.delete(guildId);
    });
    this.#tails.set(guildId, tail);
  }

  /**
   * Runs the handler, and again while the disk refuses writes. Never throws. Returns a promise if the handler does, or if it
   * has to wait.
   */
  #handle(run: Run): Attempt | Promise<Attempt> {
    const attempt = this.#attempt(run);
    if (attempt instanceof Promise) return attempt.then((done) => (mayRetry(done) ? this.#retry(run, done) : done));
    return mayRetry(attempt) ? this.#retry(run, attempt) : attempt;
  }

  #attempt({ handler, event, recording, startedAt }: Run): Attempt | Promise<Attempt> {
    const limit = new TimeLimit(HANDLER_LIMIT_MS);
    const context = this.#context(event, recording, limit, startedAt);
    try {
      const pending = handler(event.data, context);
      if (pending === undefined) return { context, error: null };
      return limit.within(Promise.resolve(pending)).then(
        () => ({ context, error: null }),
        (error: unknown) => ({ context, error }),
      );
    } catch (error) {
      return { context, error };
    }
  }

  async #retry(run: Run, first: Attempt): Promise<Attempt> {
    let attempt = first;
    while (mayRetry(attempt) && elapsed(run.startedAt) < HANDLER_LIMIT_MS) {
      await delay(RETRY_MS, undefined, { ref: false });
      attempt = await this.#attempt(run);
    }
    return attempt;
  }

  /** Waits for the commit. If it fails, the event is handled again, after the running events of its guild. */
  async #settle(run: Run, attempt: Attempt): Promise<EventOutcome> {
    let { error } = attempt;
    if (error === null) {
      try {
        await attempt.context.durable();
        this.#finished(run, 'ok');
        return 'ok';
      } catch (failure) {
        error = failure;
      }
      if (errorCode(error) === 'STORE_FAILED' && elapsed(run.startedAt) < HANDLER_LIMIT_MS) {
        const failed: Attempt = { context: attempt.context, error };
        const before = this.#tails.get(run.event.guildId) ?? Promise.resolve();
        const again = before.then(() => this.#retry(run, failed));
        this.#follow(run.event.guildId, again);
        return this.#settle(run, await again);
      }
    }
    const { name, guildId, shard, sequence } = run.event;
    this.#host.log.error(
      { err: errorFacts(error), event: name, guild: guildId, shard, sequence },
      'the handler of an event failed',
    );
    this.#finished(run, 'failed');
    return isStoreError(error) ? 'not-stored' : 'failed';
  }

  #ofSession({ sessionId, sequence, guildId }: GuildEvent): Recording {
    const memo = this.#faults.has('no-ledger') ? NO_MEMO : this.#host.store.sessions.memo(sessionId, sequence, guildId);
    return { memo, durability: 'normal' };
  }

  #context(event: GuildEvent, recording: Recording, limit: TimeLimit, startedAt: MonotonicTime): HandlerContext {
    const { sequence, guildId, name, shard } = event;
    return new HandlerContext(this.#host, {
      guildId,
      requestId: `event:${shard}:${sequence}`,
      ...recording,
      deadlineAt: after(startedAt, HANDLER_LIMIT_MS),
      signal: limit.signal,
      facts: { event: name },
    });
  }

  #finished({ event, startedAt }: Run, outcome: 'ok' | 'failed'): void {
    this.#metrics.events.inc({ event: event.name, outcome });
    this.#metrics.handlerSeconds.observe({ kind: 'event' }, elapsed(startedAt) / 1_000);
  }
}

/** Whether to retry: only while the disk refuses writes. Any other error is the handler's result. */
const mayRetry = ({ error }: Attempt): boolean => errorCode(error) === 'STORE_FAILED';
