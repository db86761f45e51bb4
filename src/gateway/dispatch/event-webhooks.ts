import type { APIWebhookEvent } from 'discord-api-types/v10';
import type { Bot } from '../../bot/define-bot.ts';
import { type GatewayResponse, HEADER } from '../../link/message.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import type { MonotonicTime } from '../../time.ts';
import type { StepMemo } from '../store/ledger.ts';
import { HandlerContext, type Host } from './context.ts';
import { type Execution, type IdempotentRunner, isStoreError } from './idempotent-runner.ts';
import { identityOfEventWebhook } from './identity.ts';
import { empty, failed } from './responses.ts';
import { TimeLimit } from './time-limit.ts';

const HANDLER_LIMIT_MS = 60_000;

/** One delivery of an event webhook. */
export interface EventWebhookDelivery {
  readonly body: Buffer;
  readonly guildId: string | null;
  readonly requestId: string;
  readonly deadlineAt: MonotonicTime;
}

/** Discord's event webhooks, such as a new entitlement. */
export class EventWebhookDispatch {
  readonly #bot: Bot;
  readonly #host: Host;
  readonly #once: IdempotentRunner;

  constructor(options: { bot: Bot; host: Host; once: IdempotentRunner }) {
    this.#bot = options.bot;
    this.#host = options.host;
    this.#once = options.once;
  }

  /**
   * @returns 204; 500 if the handler failed, so that Discord sends the event again
   * @throws GuildwayError STORE_FAILED, FENCED, DATABASE_CORRUPT
   */
  async serve(event: APIWebhookEvent, delivery: EventWebhookDelivery): Promise<GatewayResponse> {
    const { webhookEvents = {} } = this.#bot;
    const { type } = (event.event ?? {}) as { readonly type?: unknown };
    const handler = typeof type === 'string' && Object.hasOwn(webhookEvents, type) ? webhookEvents[type] : undefined;
    if (typeof type !== 'string' || handler === undefined) return empty(204);
    const { response, replayed } = await this.#once.run(identityOfEventWebhook(event, delivery.guildId), (memo) =>
      this.#execute(async (context) => handler(event, context), type, delivery, memo),
    );
    return replayed ? { ...response, headers: [...response.headers, HEADER.replayed, '1'] } : response;
  }

  async #execute(
    handler: (context: HandlerContext) => Promise<void>,
    type: string,
    delivery: EventWebhookDelivery,
    memo: StepMemo,
  ): Promise<Execution> {
    const limit = new TimeLimit(HANDLER_LIMIT_MS);
    const context = new HandlerContext(this.#host, {
      guildId: delivery.guildId,
      requestId: delivery.requestId,
      durability: 'full',
      memo,
      deadlineAt: delivery.deadlineAt,
      signal: limit.signal,
    });
    try {
      await limit.within(handler(context));
      return { response: empty(204), final: true, context };
    } catch (error) {
      if (isStoreError(error)) throw error;
      context.log.error({ err: errorFacts(error), event: type }, 'the handler of an event webhook failed');
      return { response: failed(500, `something went wrong; reference ${delivery.requestId}`), final: false, context };
    }
  }
}
