import { hash } from 'node:crypto';
import { type APIInteraction, Routes } from 'discord-api-types/v10';
import type { GatewayResponse } from '../../link/message.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import type { Logger } from '../../observability/log.ts';
import { HINT_LIFE_MS } from '../../protocol/hints.ts';
import { interactionIdentity } from '../../protocol/identity.ts';
import { PATH } from '../../protocol/paths.ts';
import { type Duration, inMs } from '../../time.ts';
import type { GuildEvent } from '../discord-seam.ts';
import type { GuildActivity } from '../moving/guild-activity.ts';
import type { NewHint } from '../store/hints.ts';
import { EPHEMERAL, RESPONSE } from './interaction-rules.ts';
import type { InteractionWebhook } from './interaction-webhook.ts';
import type { InteractionDispatch } from './interactions.ts';

/** Discord gives the first response 3 s. The rest is for the way there. */
const BUDGET_MS: Duration = 2_200;

export interface GatewayInteractionsOptions {
  readonly interactions: InteractionDispatch;
  readonly webhook: InteractionWebhook;
  readonly activity: GuildActivity;
  /** Stores an interaction whose handler takes too long, so that it is completed even if this pod ends. */
  readonly putHint: (hint: NewHint) => Promise<GatewayResponse>;
  readonly budgetMs?: Duration;
  readonly log: Logger;
}

/**
 * Interactions of an application without an endpoint URL: they come as events of the gateway, to the owner. The response goes to
 * Discord's callback. A handler that takes too long gets a deferral, like one that is called through an HTTP pod.
 */
export class GatewayInteractions {
  readonly #options: GatewayInteractionsOptions;

  constructor(options: GatewayInteractionsOptions) {
    this.#options = options;
  }

  /** Resolves when the user has a response, or cannot get one any more. Never rejects. */
  async take(event: GuildEvent): Promise<void> {
    const interaction = event.data as APIInteraction;
    const leave = event.guildId === null ? null : this.#options.activity.enter(event.guildId);
    try {
      await this.#respond(interaction, await this.#serve(interaction, event));
    } catch (error) {
      const facts = { err: errorFacts(error), guild: event.guildId, interaction: interaction.id };
      this.#options.log.error(facts, 'an interaction of the gateway was not answered');
    } finally {
      leave?.();
    }
  }

  /** @returns the first response, or a deferral */
  async #serve(interaction: APIInteraction, { guildId, shard, sequence }: GuildEvent): Promise<unknown> {
    const { interactions, putHint, budgetMs = BUDGET_MS } = this.#options;
    const body = Buffer.from(JSON.stringify(interaction));
    const rule = interactions.deferralOf(interaction);
    const served = interactions.serve(interaction, {
      ...{ body, guildId, requestId: `event:${shard}:${sequence}`, deferred: 0, completeUntil: null },
      deadlineAt: inMs(budgetMs),
    });
    const { promise: late, resolve } = Promise.withResolvers<null>();
    const timer = setTimeout(resolve, budgetMs, null);
    const response = await Promise.race([served, rule === null ? served : late]).finally(() => clearTimeout(timer));
    if (response !== null) return JSON.parse(response.body.toString('utf8'));
    served.catch(() => {});
    const { type, ephemeral } = rule ?? { type: RESPONSE.deferredMessage, ephemeral: true };
    const stored = await putHint({
      ...{ identity: interactionIdentity(interaction.id), guildId, target: PATH.interactions, body, uncertain: true },
      headers: ['content-type', 'application/json'],
      bodyHash: hash('sha256', body, 'base64url'),
      ...{ deferred: type as 5 | 6, lifeMs: HINT_LIFE_MS.interaction },
    });
    // Without a deferral on disk, only the handler itself can still respond in time.
    if (stored.status >= 300) return JSON.parse((await served).body.toString('utf8'));
    return ephemeral && type === RESPONSE.deferredMessage ? { type, data: { flags: EPHEMERAL } } : { type };
  }

  async #respond({ id, token }: APIInteraction, response: unknown): Promise<void> {
    const { webhook, log } = this.#options;
    const route = Routes.interactionCallback(id, token);
    const body = response as Readonly<Record<string, unknown>>;
    const outcome = await webhook.send(Number.POSITIVE_INFINITY, [{ method: 'POST', route, body }]);
    if (outcome.kind === 'done') return;
    log.warn(
      { interaction: id, err: errorFacts(outcome.error) },
      'Discord does not take the response to an interaction',
    );
  }
}
