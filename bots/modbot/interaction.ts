import {
  type APIInteraction,
  type APIMessageComponentInteraction,
  type APIModalSubmitInteraction,
  ComponentType,
  PermissionFlagsBits,
} from 'discord-api-types/v10';
import type { BotContext } from 'guildway';

/** The guild id. All commands of this bot are registered for guilds only, so it always exists. */
export function guildOf(context: BotContext): string {
  if (context.guildId === null) throw new Error('this bot has no commands outside guilds');
  return context.guildId;
}

/** The id of the user who used the command, pressed the button or submitted the modal. */
export function actorOf(interaction: APIInteraction): string {
  const user = interaction.member?.user ?? interaction.user;
  if (user === undefined) throw new Error('an interaction has a member or a user');
  return user.id;
}

/** Whether the user may moderate. Discord checks this for commands, but anyone who sees a button can press it. */
export function mayModerate(interaction: APIMessageComponentInteraction): boolean {
  const permissions = BigInt(interaction.member?.permissions ?? 0);
  return (permissions & PermissionFlagsBits.ModerateMembers) !== 0n;
}

/** The time of the interaction, in Unix milliseconds. It is part of the id, so late and repeated deliveries have the same time. */
export function timeOf(interaction: { readonly id: string }): number {
  return Number(BigInt(interaction.id) >> 22n) + 1_420_070_400_000;
}

/** The text of a modal's input. */
export function fieldOf(interaction: APIModalSubmitInteraction, customId: string): string {
  for (const label of interaction.data.components) {
    if (label.type !== ComponentType.Label) continue;
    const { component } = label;
    if (component.type === ComponentType.TextInput && component.custom_id === customId) return component.value;
  }
  return '';
}
