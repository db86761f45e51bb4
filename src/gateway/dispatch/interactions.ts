import type { APIInteraction, APIInteractionResponse } from 'discord-api-types/v10';
import type { Bot } from '../../bot/define-bot.ts';
import { commandRule, customIdKey, entryOf, manifestOf } from '../../bot/manifest.ts';
import type { BotContext, BotManifest, DeferralRule } from '../../bot/types.ts';
import { errorCode } from '../../errors.ts';
import { type GatewayResponse, HEADER } from '../../link/message.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import { createdAt } from '../../protocol/discord.ts';
import { HINT_LIFE_MS } from '../../protocol/hints.ts';
import { type Duration, type MonotonicTime, remaining, wallNow } from '../../time.ts';
import type { Deferred } from '../store/hints.ts';
import type { Identity, StepMemo } from '../store/ledger.ts';
import { HandlerContext, type Host } from './context.ts';
import { findHandler } from './find-handler.ts';
import type { ForeignAnswer, ForeignBot } from './foreign-bot.ts';
import { type Answer, type Execution, type IdempotentRunner, isStoreError } from './idempotent-runner.ts';
import { identityOfInteraction } from './identity.ts';
import { afterJob, type HandledInteraction } from './interaction-jobs.ts';
import { apology, choicesResponse, findResponseProblem, INTERACTION, RESPONSE } from './interaction-rules.ts';
import type { InteractionWebhook } from './interaction-webhook.ts';
import { type LateResponse, lateNotice, lateResponse } from './late-response.ts';
import { MESSAGE } from './messages.ts';
import { empty, json, problem } from './responses.ts';
import { guildOfJob } from './scheduling.ts';
import { TimeLimit } from './time-limit.ts';

/** The lifetime of an interaction's token. No response is possible after it. */
const HANDLER_LIMIT_MS = 15 * 60_000;

/** One delivery of an interaction. */
export interface InteractionDelivery {
  /** The raw body. Deliveries with equal bodies are the same interaction. */
  readonly body: Buffer;
  readonly guildId: string | null;
  readonly requestId: string;
  readonly deadlineAt: MonotonicTime;
  /** The deferred response that the user has already. 0: none; the response goes back inline. */
  readonly deferred: Deferred;
  /** When a deferred response can no longer be completed. Null: the response goes back inline. */
  readonly completeUntil: MonotonicTime | null;
}

/** Discord's interactions: finds the bot's handler, runs it once, and delivers its response, inline or after a deferral. */
export class InteractionDispatch {
  readonly #bot: Bot;
  readonly #manifest: BotManifest;
  readonly #host: Host;
  readonly #once: IdempotentRunner;
  readonly #webhook: InteractionWebhook;
  /** Handles all interactions in place of the bot's handlers. */
  readonly #foreign: ForeignBot | null;
  /** Late responses in flight: two stand-ins may deliver the same interaction at the same time. */
  readonly #completions = new Map<string, Promise<GatewayResponse>>();

  constructor(options: {
    bot: Bot;
    host: Host;
    once: IdempotentRunner;
    webhook: InteractionWebhook;
    foreign?: ForeignBot | null;
  }) {
    this.#bot = options.bot;
    this.#manifest = manifestOf(options.bot);
    this.#host = options.host;
    this.#once = options.once;
    this.#webhook = options.webhook;
    this.#foreign = options.foreign ?? null;
  }

  /**
   * Serves one delivery.
   * @returns the inline response (200). For a deferred interaction: 200 once the user has the response, 502 if the interaction
   *   should be delivered again
   * @throws GuildwayError IDENTITY_REUSED, STORE_FAILED, FENCED, DATABASE_CORRUPT
   */
  async serve(interaction: APIInteraction, delivery: InteractionDelivery): Promise<GatewayResponse> {
    if (interaction.type === INTERACTION.ping) return json(200, { type: RESPONSE.pong });
    const identity = identityOfInteraction(interaction.id, delivery.guildId, delivery.body);
    let answer: Answer;
    try {
      answer = await this.#once.run(identity, (memo) => this.#execute(interaction, delivery, memo));
    } catch (error) {
      // A deferred interaction is delivered again when the disk has room. Without a deferral, the user is waiting now.
      if (errorCode(error) !== 'STORE_FAILED' || delivery.deferred !== 0) throw error;
      return json(200, apology(interaction, MESSAGE.notSaved(delivery.requestId)));
    }
    if (delivery.deferred !== 0) {
      const completed = await this.#complete(interaction, delivery, identity, answer);
      this.#foreign?.left(interaction.id);
      return completed;
    }
    const { response, replayed } = answer;
    if (replayed) return { ...response, headers: [...response.headers, HEADER.replayed, '1'] };
    const foreign = this.#foreign;
    return foreign === null ? response : { ...response, sent: () => foreign.left(interaction.id) };
  }

  async #execute(interaction: APIInteraction, delivery: InteractionDelivery, memo: StepMemo): Promise<Execution> {
    const limit = new TimeLimit(HANDLER_LIMIT_MS);
    const facts = { interaction: interaction.id };
    const { completeUntil, deferred } = delivery;
    const handled: HandledInteraction = { interaction, isDeferred: deferred !== 0, completeUntil };
    const context = new HandlerContext(this.#host, {
      guildId: delivery.guildId,
      requestId: delivery.requestId,
      durability: 'full',
      memo,
      deadlineAt: delivery.completeUntil ?? delivery.deadlineAt,
      signal: limit.signal,
      handled,
      facts,
    });
    try {
      if (this.#foreign !== null) {
        const answer = await limit.within(this.#foreign.interact(interaction, context));
        return { ...this.#foreignResponse(interaction, answer, context), context };
      }
      const handler = this.#handlerOf(interaction);
      if (handler === null) {
        context.log.warn({ handler: nameOf(interaction) }, 'no handler for this interaction');
        return { response: json(200, apology(interaction, MESSAGE.unknownCommand)), final: false, context };
      }
      const response = await limit.within(handler(context));
      const wrong = findResponseProblem(interaction, response);
      if (wrong === null) {
        this.#scheduleAfter(handled, context);
        return { response: json(200, response), final: true, context };
      }
      context.log.error(
        { handler: nameOf(interaction) },
        `the handler's response is not one that Discord takes: ${wrong}`,
      );
    } catch (error) {
      if (isStoreError(error)) throw error;
      context.log.error({ err: errorFacts(error), handler: nameOf(interaction) }, 'the handler failed');
    }
    return { response: json(200, apology(interaction, MESSAGE.failed(delivery.requestId))), final: false, context };
  }

  #foreignResponse(
    interaction: APIInteraction,
    answer: ForeignAnswer,
    context: HandlerContext,
  ): Pick<Execution, 'response' | 'final'> {
    if (answer.kind === 'at-discord') return { response: empty(202), final: true };
    if (answer.kind !== 'response') {
      context.log.warn({ handler: nameOf(interaction) }, 'the bot has an interaction, and nobody knows what it did');
      return { response: json(200, apology(interaction, MESSAGE.uncertain)), final: true };
    }
    const wrong = findResponseProblem(interaction, answer.response);
    if (wrong === null) return { response: json(200, answer.response), final: true };
    context.log.error({ handler: nameOf(interaction) }, `the bot's response is not one that Discord takes: ${wrong}`);
    return { response: json(200, apology(interaction, MESSAGE.failed(context.requestId))), final: true };
  }

  #handlerOf(interaction: APIInteraction): ((context: BotContext) => Promise<APIInteractionResponse>) | null {
    const handler = findHandler(this.#bot, interaction);
    if (handler === null) return null;
    if (interaction.type !== INTERACTION.autocomplete)
      return async (context) => handler.run(interaction as never, context);
    if (!('autocomplete' in handler) || handler.autocomplete === undefined) return null;
    const { autocomplete } = handler;
    return async (context) => choicesResponse(await autocomplete.call(handler, interaction as never, context));
  }

  /** Once, as a transaction of the handler: a repeated delivery does not do it again. */
  #scheduleAfter(handled: HandledInteraction, context: HandlerContext): void {
    if (handled.interaction.type === INTERACTION.autocomplete) return;
    if (findHandler(this.#bot, handled.interaction)?.after === undefined) return;
    const { jobs } = this.#host.store;
    const guildId = guildOfJob(context);
    context.transaction(() => jobs.add(afterJob(handled, guildId, jobs.now()), null));
  }

  /** Completes a deferred response, once. */
  #complete(
    interaction: APIInteraction,
    delivery: InteractionDelivery,
    identity: Identity,
    answer: Answer,
  ): Promise<GatewayResponse> {
    const running = this.#completions.get(identity.key);
    if (running !== undefined) return running;
    const completion = this.#sendLate(interaction, delivery, identity, answer).finally(() =>
      this.#completions.delete(identity.key),
    );
    this.#completions.set(identity.key, completion);
    return completion;
  }

  async #sendLate(
    interaction: APIInteraction,
    delivery: InteractionDelivery,
    identity: Identity,
    { response }: Answer,
  ): Promise<GatewayResponse> {
    const { deferred, requestId, guildId } = delivery;
    const { ledger } = this.#host.store;
    const ageMs = ageOf(interaction, delivery);
    if (ledger.find(identity.key)?.completed === true) return empty(200, [HEADER.replayed, '1']);
    const log = this.#host.log.child({ guild: guildId, request: requestId, interaction: interaction.id });
    const type = deferred as DeferralRule['type'];
    // An interaction that the bot does not know was deferred as ephemeral.
    const ephemeral = this.#ruleOf(interaction)?.ephemeral ?? true;
    // 202: the bot has completed the response itself.
    const late: LateResponse =
      response.status === 202
        ? { calls: [], lost: null }
        : lateResponse(interaction, { type, ephemeral }, JSON.parse(response.body.toString('utf8')));
    if (late.lost !== null) log.warn({ handler: nameOf(interaction) }, `part of a late answer is lost: ${late.lost}`);
    try {
      let outcome = await this.#webhook.send(ageMs, late.calls);
      if (outcome.kind === 'refused') {
        log.error({ err: errorFacts(outcome.error) }, 'Discord rejects the late response');
        outcome = await this.#webhook.send(ageMs, [lateNotice(interaction, deferred, MESSAGE.failed(requestId))]);
      }
      if (outcome.kind !== 'done') {
        log.warn({ err: errorFacts(outcome.error) }, 'the interaction is done, but its user can no longer be told');
      }
    } catch (error) {
      log.warn({ err: errorFacts(error) }, 'the late response did not reach Discord; it will be delivered again');
      return problem(502, 'the response did not reach Discord');
    }
    await ledger.recordCompletion(identity);
    return empty(200);
  }

  /** How an interaction may be deferred; null: not at all. */
  deferralOf(interaction: APIInteraction): DeferralRule | null {
    if (interaction.type === INTERACTION.autocomplete) return null;
    const rule = this.#ruleOf(interaction);
    if (rule === undefined) return { deferrable: true, ephemeral: true, type: RESPONSE.deferredMessage };
    return rule.deferrable ? rule : null;
  }

  #ruleOf(interaction: APIInteraction): DeferralRule | undefined {
    const { components, modals } = this.#manifest;
    switch (interaction.type) {
      case INTERACTION.command:
        return commandRule(this.#manifest, interaction.data.name, interaction.data.type);
      case INTERACTION.component:
        return entryOf(components, nameOf(interaction));
      case INTERACTION.modal:
        return entryOf(modals, nameOf(interaction));
      default:
        return undefined;
    }
  }
}

/**
 * By the remaining life of its hint, which does not depend on clocks, and by the timestamp in its id. The smaller age counts.
 */
function ageOf({ id }: APIInteraction, { completeUntil }: InteractionDelivery): Duration {
  const livedMs =
    completeUntil === null ? Number.POSITIVE_INFINITY : HINT_LIFE_MS.interaction - remaining(completeUntil);
  return Math.min(livedMs, wallNow() - createdAt(id));
}

/** The name of an interaction's handler: the command's name, or the start of a `custom_id`. */
function nameOf(interaction: APIInteraction): string {
  const { name, custom_id: customId } = (interaction.data ?? {}) as { name?: string; custom_id?: string };
  return name ?? customIdKey(customId ?? '');
}
