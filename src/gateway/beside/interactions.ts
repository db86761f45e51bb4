import { randomUUID } from 'node:crypto';
import type { APIInteraction } from 'discord-api-types/v10';
import type { ForeignAnswer, ForeignBot, ForeignContext } from '../dispatch/foreign-bot.ts';
import { BotGone, type Callbacks } from './callbacks.ts';

export interface InteractionsOptions {
  readonly callbacks: Callbacks;
  readonly gateway: { dispatch(name: string, data: unknown): boolean };
  /** An interaction whose outcome is unknown is handed over again when it is delivered again. */
  readonly mayRepeat: boolean;
}

/** Hands interactions that came through the HTTP pods to the bot, as events of the gateway. */
export class Interactions implements ForeignBot {
  readonly #options: InteractionsOptions;

  constructor(options: InteractionsOptions) {
    this.#options = options;
  }

  /** The pod notes on disk that it hands the interaction over, before it does: if it ends then, it does not do so again. */
  async interact(interaction: APIInteraction, context: ForeignContext): Promise<ForeignAnswer> {
    const { callbacks, gateway, mayRepeat } = this.#options;
    const attempt = randomUUID();
    const first = context.transaction(() => attempt);
    if (first !== attempt && !mayRepeat) return { kind: 'unknown' };
    await context.durable();
    const answer = callbacks.expect(interaction.id);
    // The bot has disconnected meanwhile.
    if (!gateway.dispatch('INTERACTION_CREATE', interaction)) callbacks.abandon();
    try {
      return await answer;
    } catch (error) {
      if (error instanceof BotGone) return { kind: 'unknown' };
      throw error;
    }
  }

  left(interactionId: string): void {
    this.#options.callbacks.left(interactionId);
  }
}
