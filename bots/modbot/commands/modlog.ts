import {
  type APIInteractionResponseCallbackData,
  ApplicationCommandOptionType,
  ButtonStyle,
  ComponentType,
  InteractionContextType,
  PermissionFlagsBits,
} from 'discord-api-types/v10';
import { type BotContext, type Command, type ComponentHandler, optionsOf, reply, update, whisper } from 'guildway';
import { guildOf, mayModerate } from '../interaction.ts';
import { type Case, type CaseKind, listCases } from '../store/cases.ts';

const PER_PAGE = 5;
const ICONS: Readonly<Record<CaseKind, string>> = { warn: '⚠️', note: '📝', report: '🚩', timeout: '🔇' };

export const modlog: Command = {
  name: 'modlog',
  description: 'Show the moderation log',
  contexts: [InteractionContextType.Guild],
  default_member_permissions: String(PermissionFlagsBits.ModerateMembers),
  // A late response is visible to the moderator only, even with `public`, because the deferral fixes the visibility.
  ephemeral: true,
  options: [
    { type: ApplicationCommandOptionType.User, name: 'user', description: 'Only cases of this member' },
    {
      type: ApplicationCommandOptionType.Boolean,
      name: 'public',
      description: 'Show the log to everyone in the channel',
    },
  ],

  run(interaction, context) {
    const options = optionsOf(interaction);
    const message = logMessage(context, options.string('user'), 1);
    return options.boolean('public') === true ? reply(message) : whisper(message);
  },
};

/** The buttons ◀ and ▶ under a log: `modlog:<page>:<user or all>`. */
export const modlogButtons: ComponentHandler = {
  run(interaction, context) {
    if (!mayModerate(interaction)) return whisper('Only moderators can do that.');
    const [, page, user = 'all'] = interaction.data.custom_id.split(':');
    return update(logMessage(context, user === 'all' ? null : user, Number(page)));
  },
};

function logMessage(context: BotContext, userId: string | null, page: number): APIInteractionResponseCallbackData {
  const guildId = guildOf(context);
  const log = listCases(context.db, guildId, { userId: userId ?? undefined }, page, PER_PAGE);
  const button = (emoji: string, to: number) =>
    ({
      type: ComponentType.Button,
      style: ButtonStyle.Secondary,
      emoji: { name: emoji },
      custom_id: `modlog:${to}:${userId ?? 'all'}`,
      disabled: to < 1 || to > log.pages,
    }) as const;
  return {
    embeds: [
      {
        title: 'Moderation log',
        description:
          log.cases.map((entry) => describeCase(guildId, entry)).join('\n\n') || 'Nothing has been recorded.',
        footer: { text: `Page ${log.page} of ${log.pages} · ${log.total} ${log.total === 1 ? 'case' : 'cases'}` },
      },
    ],
    components:
      log.pages === 1
        ? []
        : [{ type: ComponentType.ActionRow, components: [button('◀', log.page - 1), button('▶', log.page + 1)] }],
    allowed_mentions: { parse: [] },
  };
}

function describeCase(guildId: string, entry: Case): string {
  const who = entry.moderatorId === null ? 'the API' : `<@${entry.moderatorId}>`;
  const when = `<t:${Math.floor(entry.createdAt / 1000)}:R>`;
  const link =
    entry.messageId === null
      ? ''
      : ` · [message](https://discord.com/channels/${guildId}/${entry.channelId}/${entry.messageId})`;
  return `${ICONS[entry.kind]} **${entry.number}** <@${entry.userId}> ${when} by ${who}${link}\n${entry.reason}`;
}
