import { GatewayIntentBits as Bit } from 'discord-api-types/v10';

/** All intents that Discord defines. */
export const ALL_INTENTS = Object.values(Bit)
  .filter((bit): bit is Bit => typeof bit === 'number')
  .reduce((all, bit) => all | bit, 0);

/** A session gets a guild event if it has one of these intents. Events that are not listed go to every session. */
const GUILD_EVENTS: Readonly<Record<string, number>> = {
  GUILD_CREATE: Bit.Guilds,
  GUILD_UPDATE: Bit.Guilds,
  GUILD_DELETE: Bit.Guilds,
  GUILD_ROLE_CREATE: Bit.Guilds,
  GUILD_ROLE_UPDATE: Bit.Guilds,
  GUILD_ROLE_DELETE: Bit.Guilds,
  CHANNEL_CREATE: Bit.Guilds,
  CHANNEL_UPDATE: Bit.Guilds,
  CHANNEL_DELETE: Bit.Guilds,
  THREAD_CREATE: Bit.Guilds,
  THREAD_UPDATE: Bit.Guilds,
  THREAD_DELETE: Bit.Guilds,
  THREAD_LIST_SYNC: Bit.Guilds,
  THREAD_MEMBER_UPDATE: Bit.Guilds,
  THREAD_MEMBERS_UPDATE: Bit.Guilds | Bit.GuildMembers,
  CHANNEL_PINS_UPDATE: Bit.Guilds,
  STAGE_INSTANCE_CREATE: Bit.Guilds,
  STAGE_INSTANCE_UPDATE: Bit.Guilds,
  STAGE_INSTANCE_DELETE: Bit.Guilds,
  GUILD_SCHEDULED_EVENT_CREATE: Bit.GuildScheduledEvents,
  GUILD_SCHEDULED_EVENT_UPDATE: Bit.GuildScheduledEvents,
  GUILD_SCHEDULED_EVENT_DELETE: Bit.GuildScheduledEvents,
  GUILD_SCHEDULED_EVENT_USER_ADD: Bit.GuildScheduledEvents,
  GUILD_SCHEDULED_EVENT_USER_REMOVE: Bit.GuildScheduledEvents,
  AUTO_MODERATION_RULE_CREATE: Bit.AutoModerationConfiguration,
  AUTO_MODERATION_RULE_UPDATE: Bit.AutoModerationConfiguration,
  AUTO_MODERATION_RULE_DELETE: Bit.AutoModerationConfiguration,
  GUILD_MEMBER_ADD: Bit.GuildMembers,
  GUILD_MEMBER_UPDATE: Bit.GuildMembers,
  GUILD_MEMBER_REMOVE: Bit.GuildMembers,
  GUILD_BAN_ADD: Bit.GuildModeration,
  GUILD_BAN_REMOVE: Bit.GuildModeration,
  GUILD_AUDIT_LOG_ENTRY_CREATE: Bit.GuildModeration,
  GUILD_EMOJIS_UPDATE: Bit.GuildExpressions,
  GUILD_STICKERS_UPDATE: Bit.GuildExpressions,
  GUILD_INTEGRATIONS_UPDATE: Bit.GuildIntegrations,
  WEBHOOKS_UPDATE: Bit.GuildWebhooks,
  INVITE_CREATE: Bit.GuildInvites,
  INVITE_DELETE: Bit.GuildInvites,
  VOICE_STATE_UPDATE: Bit.GuildVoiceStates,
  PRESENCE_UPDATE: Bit.GuildPresences,
  MESSAGE_CREATE: Bit.GuildMessages,
  MESSAGE_UPDATE: Bit.GuildMessages,
  MESSAGE_DELETE: Bit.GuildMessages,
  MESSAGE_DELETE_BULK: Bit.GuildMessages,
  MESSAGE_REACTION_ADD: Bit.GuildMessageReactions,
  MESSAGE_REACTION_REMOVE: Bit.GuildMessageReactions,
  MESSAGE_REACTION_REMOVE_ALL: Bit.GuildMessageReactions,
  MESSAGE_REACTION_REMOVE_EMOJI: Bit.GuildMessageReactions,
  MESSAGE_POLL_VOTE_ADD: Bit.GuildMessagePolls,
  MESSAGE_POLL_VOTE_REMOVE: Bit.GuildMessagePolls,
  TYPING_START: Bit.GuildMessageTyping,
  AUTO_MODERATION_ACTION_EXECUTION: Bit.AutoModerationExecution,
};

const DIRECT_EVENTS: Readonly<Record<string, number>> = {
  MESSAGE_CREATE: Bit.DirectMessages,
  MESSAGE_UPDATE: Bit.DirectMessages,
  MESSAGE_DELETE: Bit.DirectMessages,
  MESSAGE_REACTION_ADD: Bit.DirectMessageReactions,
  MESSAGE_REACTION_REMOVE: Bit.DirectMessageReactions,
  MESSAGE_REACTION_REMOVE_ALL: Bit.DirectMessageReactions,
  MESSAGE_REACTION_REMOVE_EMOJI: Bit.DirectMessageReactions,
  CHANNEL_PINS_UPDATE: Bit.DirectMessages,
  MESSAGE_POLL_VOTE_ADD: Bit.DirectMessagePolls,
  MESSAGE_POLL_VOTE_REMOVE: Bit.DirectMessagePolls,
  TYPING_START: Bit.DirectMessageTyping,
};

/** The intents of which a session needs at least one for this event; 0 if it needs none. */
export function requiredIntents(event: string, guildId: string | null): number {
  return (guildId === null ? DIRECT_EVENTS : GUILD_EVENTS)[event] ?? 0;
}
