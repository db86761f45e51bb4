import type { APIInteraction } from 'discord-api-types/v10';
import type { Bot } from '../../bot/define-bot.ts';
import { customIdKey, entryOf, findCommand } from '../../bot/manifest.ts';
import type { Command, ComponentHandler, ModalHandler } from '../../bot/types.ts';
import { INTERACTION } from './interaction-rules.ts';

/** The bot's handler of an interaction, or null. */
export function findHandler(
  { commands = [], components = {}, modals = {} }: Pick<Bot, 'commands' | 'components' | 'modals'>,
  interaction: APIInteraction,
): Command | ComponentHandler | ModalHandler | null {
  switch (interaction.type) {
    case INTERACTION.command:
    case INTERACTION.autocomplete:
      return findCommand(commands, interaction.data.name, interaction.data.type) ?? null;
    case INTERACTION.component:
    case INTERACTION.modal: {
      const key = customIdKey((interaction.data as { custom_id: string }).custom_id);
      const handlers = interaction.type === INTERACTION.component ? components : modals;
      return entryOf<ComponentHandler | ModalHandler>(handlers, key) ?? null;
    }
    default:
      return null;
  }
}
