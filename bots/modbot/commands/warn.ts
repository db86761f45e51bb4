import {
  ApplicationCommandOptionType,
  ButtonStyle,
  ComponentType,
  InteractionContextType,
  PermissionFlagsBits,
} from 'discord-api-types/v10';
import { type Command, type ComponentHandler, optionsOf, reply, update, whisper } from 'guildway';
import { actorOf, guildOf, mayModerate, timeOf } from '../interaction.ts';
import { addCase, countWarnings, suggestReasons } from '../store/cases.ts';
import { readSettings } from '../store/guilds.ts';
import { timeOut } from '../timeout.ts';

export const warn: Command = {
  name: 'warn',
  description: 'Warn a member',
  contexts: [InteractionContextType.Guild],
  default_member_permissions: String(PermissionFlagsBits.ModerateMembers),
  options: [
    { type: ApplicationCommandOptionType.User, name: 'user', description: 'The member to warn', required: true },
    {
      type: ApplicationCommandOptionType.String,
      name: 'reason',
      description: 'Why',
      required: true,
      max_length: 400,
      autocomplete: true,
    },
  ],

  async run(interaction, context) {
    const guildId = guildOf(context);
    const moderatorId = actorOf(interaction);
    const { user: userId, reason } = optionsOf(interaction).values as { user: string; reason: string };
    const { number, warnings, settings } = context.transaction((db) => ({
      number: addCase(db, { guildId, kind: 'warn', userId, moderatorId, reason, createdAt: timeOf(interaction) }),
      warnings: countWarnings(db, guildId, userId),
      settings: readSettings(db, guildId),
    }));

    const content = `<@${userId}> has been warned: ${reason}\n-# Case ${number} · warning ${warnings}`;
    // The reason is free text and must not mention everyone.
    const allowed_mentions = { users: [userId] };
    if (warnings < settings.warningLimit || settings.atLimit === 'nothing') return reply({ content, allowed_mentions });

    const { timeoutMinutes: minutes } = settings;
    if (settings.atLimit === 'timeout') {
      const decidedAt = timeOf(interaction);
      const done = await timeOut(context, { userId, moderatorId, minutes, reason: `${warnings} warnings`, decidedAt });
      const outcome =
        done === null ? 'Discord refused to time them out.' : `Timed out for ${minutes} min (case ${done}).`;
      return reply({ content: `${content}\n${outcome}`, allowed_mentions });
    }
    const button = {
      type: ComponentType.Button,
      style: ButtonStyle.Danger,
      label: `Time out for ${minutes} min`,
      custom_id: `timeout:${userId}:${minutes}`,
    } as const;
    return reply({
      content,
      allowed_mentions,
      components: [{ type: ComponentType.ActionRow, components: [button] }],
    });
  },

  autocomplete(interaction, context) {
    const typed = optionsOf(interaction).focused?.value ?? '';
    return suggestReasons(context.db, guildOf(context), typed).map((reason) => ({ name: reason, value: reason }));
  },
};

/** The button under a warning that reached the limit: `timeout:<user>:<minutes>`. */
export const timeoutButton: ComponentHandler = {
  async run(interaction, context) {
    if (!mayModerate(interaction)) return whisper('Only moderators can do that.');
    const [, userId = '', minutes] = interaction.data.custom_id.split(':');
    const number = await timeOut(context, {
      userId,
      moderatorId: actorOf(interaction),
      minutes: Number(minutes),
      reason: 'Too many warnings',
      decidedAt: timeOf(interaction),
    });
    if (number === null)
      return whisper('Discord refused to time them out. Check that I have the permission Moderate Members.');
    return update({
      content: `${interaction.message.content}\nTimed out for ${minutes} min by <@${actorOf(interaction)}> (case ${number}).`,
      components: [],
      allowed_mentions: { parse: [] },
    });
  },
};
