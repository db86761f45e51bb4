import { randomBytes } from 'node:crypto';
import {
  ApplicationCommandOptionType,
  ChannelType,
  InteractionContextType,
  PermissionFlagsBits,
} from 'discord-api-types/v10';
import { type Command, optionsOf, whisper } from 'guildway';
import { guildOf } from '../interaction.ts';
import { pageLink } from '../pages/access.ts';
import {
  DEFAULT_SETTINGS,
  type LimitAction,
  readPageKey,
  readSettings,
  type Settings,
  writePageKey,
  writeSettings,
} from '../store/guilds.ts';

export const settings: Command = {
  name: 'settings',
  description: 'The moderation settings of this server',
  contexts: [InteractionContextType.Guild],
  default_member_permissions: String(PermissionFlagsBits.ManageGuild),
  ephemeral: true,
  options: [
    { type: ApplicationCommandOptionType.Subcommand, name: 'show', description: 'Show the settings' },
    {
      type: ApplicationCommandOptionType.Subcommand,
      name: 'set',
      description: 'Change settings',
      options: [
        {
          type: ApplicationCommandOptionType.Integer,
          name: 'warning-limit',
          description: 'The number of warnings of a member that triggers the action',
          min_value: 1,
          max_value: 50,
        },
        {
          type: ApplicationCommandOptionType.String,
          name: 'at-limit',
          description: 'The action at the limit',
          choices: [
            { name: 'nothing', value: 'nothing' },
            { name: 'suggest a timeout', value: 'suggest' },
            { name: 'time the member out', value: 'timeout' },
          ],
        },
        {
          type: ApplicationCommandOptionType.Integer,
          name: 'timeout-minutes',
          description: 'The length of a timeout',
          min_value: 1,
          max_value: 40_320,
        },
        {
          type: ApplicationCommandOptionType.Channel,
          name: 'report-channel',
          description: 'The channel for reports',
          channel_types: [ChannelType.GuildText],
        },
      ],
    },
    { type: ApplicationCommandOptionType.Subcommand, name: 'reset', description: 'Restore the defaults' },
    {
      type: ApplicationCommandOptionType.Subcommand,
      name: 'page',
      description: "Get the secret link to this server's page",
      options: [
        {
          type: ApplicationCommandOptionType.Boolean,
          name: 'renew',
          description: 'Create a new link; the old one stops working',
        },
      ],
    },
  ],

  run(interaction, context) {
    const guildId = guildOf(context);
    const options = optionsOf(interaction);
    switch (options.subcommand) {
      case 'set': {
        const changed = context.transaction((db) => {
          const before = readSettings(db, guildId);
          const after: Settings = {
            warningLimit: options.number('warning-limit') ?? before.warningLimit,
            atLimit: (options.string('at-limit') as LimitAction | null) ?? before.atLimit,
            timeoutMinutes: options.number('timeout-minutes') ?? before.timeoutMinutes,
            reportChannelId: options.string('report-channel') ?? before.reportChannelId,
          };
          writeSettings(db, guildId, after);
          return after;
        });
        return whisper(`Saved.\n${describe(changed)}`);
      }
      case 'reset':
        context.transaction((db) => writeSettings(db, guildId, DEFAULT_SETTINGS));
        return whisper(`Defaults restored.\n${describe(DEFAULT_SETTINGS)}`);
      case 'page': {
        const key = context.transaction((db) => {
          const existing = readPageKey(db, guildId);
          if (existing !== null && options.boolean('renew') !== true) return existing;
          const created = randomBytes(24).toString('base64url');
          writePageKey(db, guildId, created);
          return created;
        });
        return whisper(
          `This server's page: ${pageLink(guildId, key)}\n-# Everyone with this link can read the moderation log and, through the API, write notes.`,
        );
      }
      default:
        return whisper(describe(readSettings(context.db, guildId)));
    }
  },
};

const AT_LIMIT: Readonly<Record<LimitAction, string>> = {
  nothing: 'nothing happens',
  suggest: 'a timeout is suggested',
  timeout: 'the member is timed out',
};

function describe(settings: Settings): string {
  const channel = settings.reportChannelId === null ? 'recorded only' : `posted in <#${settings.reportChannelId}>`;
  return [
    `**Warnings:** from ${settings.warningLimit} on, ${AT_LIMIT[settings.atLimit]}`,
    `**Timeout:** ${settings.timeoutMinutes} min`,
    `**Reports:** ${channel}`,
  ].join('\n');
}
