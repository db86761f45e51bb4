import {
  type APIInteraction,
  type APIMessageComponentInteraction,
  type APIModalSubmitInteraction,
  ComponentType,
  PermissionFlagsBits,
} from 'discord-api-types/v10';
import type { BotContext } from 'guildway';

/** The guild. Every command of this bot is registered for guilds only, so Discord always names one. */
export function guildOf(context: BotContext): string {
  if (context.guildId === null) throw new Error('this bot has no commands outside guilds');
  return context.guildId;
}

/** The id of who used the command, pressed the button or submitted the modal. */
export function actorOf(interaction: APIInteraction): string {
  const user = interaction.member?.user ?? interaction.user;
  if (user === undefined) throw new Error('an interaction has a member or a user');
  return user.id;
}

/** Whether whoever pressed may moderate. Discord checks this for commands, but a button can be pressed by all who see it. */
export function mayModerate(interaction: APIMessageComponentInteraction): boolean {
  const permissions = BigInt(interaction.member?.permissions ?? 0);
  return (permissions & PermissionFlagsBits.ModerateMembers) !== 0n;
}

/** When it was used, in Unix milliseconds. It is part of the id, so it stays the same when it is delivered late or again. */
export function timeOf(interaction: { readonly id: string }): number {
  return Number(BigInt(interaction.id) >> 22n) + 1_420_070_400_000;
}

/** The text that was typed into a modal's input. */
export function fieldOf(interaction: APIModalSubmitInteraction, customId: string): string {
  for (const label of interaction.data.components) {
    if (label.type !== ComponentType.Label) continue;
    const { component } = label;
    if (component.type === ComponentType.TextInput && component.custom_id === customId) return component.value;
  }
  return '';
}
