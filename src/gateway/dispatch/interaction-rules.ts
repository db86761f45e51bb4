import type { APIInteraction, APIInteractionResponse } from 'discord-api-types/v10';
import { EPHEMERAL, INTERACTION } from '../../protocol/discord.ts';

export { EPHEMERAL, INTERACTION };

/** Response types of Discord's API. */
export const RESPONSE = Object.freeze({
  pong: 1,
  message: 4,
  deferredMessage: 5,
  deferredUpdate: 6,
  update: 7,
  choices: 8,
  modal: 9,
  launchActivity: 12,
});

/** Discord's limit of choices in autocomplete. */
const MAX_CHOICES = 25;

/** First responses by interaction type. Source: Discord's documentation, "Interaction Callback Type". */
const ALLOWED: Readonly<Record<number, readonly number[]>> = Object.freeze({
  [INTERACTION.command]: [4, 5, 9, 12],
  [INTERACTION.component]: [4, 5, 6, 7, 9, 12],
  [INTERACTION.autocomplete]: [8],
  [INTERACTION.modal]: [4, 5, 6, 7, 12],
});

/** Why Discord would reject a response to an interaction, or null. Discord shows only that the bot failed. */
export function findResponseProblem(interaction: APIInteraction, response: unknown): string | null {
  if (typeof response !== 'object' || response === null) return `it returned ${typeof response}, not a response`;
  const { type } = response as { type?: unknown };
  const allowed = ALLOWED[interaction.type] ?? [];
  if (typeof type !== 'number' || !allowed.includes(type)) {
    return `response type ${String(type)} is not one of ${allowed.join(', ')}`;
  }
  const changesMessage = type === RESPONSE.deferredUpdate || type === RESPONSE.update;
  // A modal that a command opened has no message to update.
  if (changesMessage && !('message' in interaction))
    return `response type ${type} changes a message, but there is none`;
  return null;
}

/** Builds the autocomplete response from a handler's choices, up to Discord's limit. */
export function choicesResponse(choices: readonly unknown[]): APIInteractionResponse {
  return { type: RESPONSE.choices, data: { choices: choices.slice(0, MAX_CHOICES) } } as APIInteractionResponse;
}

/** An ephemeral response that tells the user why the command failed. Where Discord allows no message, it is empty. */
export function apology(interaction: APIInteraction, text: string): APIInteractionResponse {
  if (interaction.type === INTERACTION.autocomplete) return choicesResponse([]);
  return { type: RESPONSE.message, data: { content: text, flags: EPHEMERAL } } as APIInteractionResponse;
}
