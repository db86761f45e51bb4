import { ApplicationCommandOptionType, InteractionContextType, PermissionFlagsBits } from 'discord-api-types/v10';
import { type Command, optionsOf, whisper } from 'guildway';
import { actorOf, guildOf, timeOf } from '../interaction.ts';
import { addCase } from '../store/cases.ts';

export const note: Command = {
  name: 'note',
  description: 'Write down something about a member, for moderators only',
  contexts: [InteractionContextType.Guild],
  default_member_permissions: String(PermissionFlagsBits.ModerateMembers),
  ephemeral: true,
  options: [
    { type: ApplicationCommandOptionType.User, name: 'user', description: 'The member', required: true },
    {
      type: ApplicationCommandOptionType.String,
      name: 'text',
      description: 'The note',
      required: true,
      max_length: 400,
    },
  ],

  run(interaction, context) {
    const guildId = guildOf(context);
    const { user: userId, text } = optionsOf(interaction).values as { user: string; text: string };
    const number = context.transaction((db) =>
      addCase(db, {
        guildId,
        kind: 'note',
        userId,
        moderatorId: actorOf(interaction),
        reason: text,
        createdAt: timeOf(interaction),
      }),
    );
    return whisper({ content: `Noted for <@${userId}>: ${text}\n-# Case ${number}`, allowed_mentions: { parse: [] } });
  },
};
