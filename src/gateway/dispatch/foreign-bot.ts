import type { APIInteraction, APIInteractionResponse } from 'discord-api-types/v10';
import type { BotContext } from '../../bot/types.ts';

/**
 * What a bot did with an interaction.
 * - `response`: its first response
 * - `at-discord`: it has responded by Discord's REST API
 * - `unknown`: it ended, or was handed the interaction earlier, and nobody knows what it did
 */
export type ForeignAnswer =
  | { readonly kind: 'response'; readonly response: APIInteractionResponse }
  | { readonly kind: 'at-discord' | 'unknown' };

/** What handing over needs of a handler's context. */
export interface ForeignContext extends Pick<BotContext, 'transaction'> {
  /** Resolves when the transactions so far are on disk. */
  readonly durable: () => Promise<void>;
}

/** A bot in a process of its own, which gets its interactions by Discord's protocol. */
export interface ForeignBot {
  /** Hands an interaction over. Resolves when the bot has responded. */
  interact(interaction: APIInteraction, context: ForeignContext): Promise<ForeignAnswer>;
  /** The response of an interaction has left the pod, so the bot may go on. */
  left(interactionId: string): void;
}
