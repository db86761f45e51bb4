import type {
  RESTPatchAPIChannelJSONBody,
  RESTPatchAPIChannelMessageJSONBody,
  RESTPatchAPICurrentUserJSONBody,
  RESTPatchAPIGuildJSONBody,
  RESTPatchAPIGuildMemberJSONBody,
  RESTPatchAPIGuildRoleJSONBody,
  RESTPatchAPIGuildVoiceStateCurrentMemberJSONBody,
  RESTPatchAPIWebhookJSONBody,
  RESTPatchCurrentApplicationJSONBody,
  RESTPostAPIChannelInviteJSONBody,
  RESTPostAPIChannelMessageJSONBody,
  RESTPostAPIChannelMessagesThreadsJSONBody,
  RESTPostAPIChannelThreadsJSONBody,
  RESTPostAPIChannelWebhookJSONBody,
  RESTPostAPIGuildChannelJSONBody,
  RESTPostAPIGuildRoleJSONBody,
  RESTPostAPIWebhookWithTokenJSONBody,
  RESTPutAPIGuildBanJSONBody,
} from 'discord-api-types/v10';

type KeysOfUnion<T> = T extends T ? Extract<keyof T, string> : never;
/** Every field of a body in Discord's form: whether it has an effect here. */
type Fields<Body, More extends string = never> = Readonly<Record<KeysOfUnion<Body> | More, boolean>>;

const MESSAGE: Fields<RESTPostAPIChannelMessageJSONBody, 'poll' | 'shared_client_theme'> = {
  ...{ content: true, nonce: true, tts: true, embeds: true, allowed_mentions: true, message_reference: true },
  ...{ components: true, sticker_ids: true, attachments: true, flags: true, enforce_nonce: true, poll: false },
  shared_client_theme: false,
};
// discord.js builds the bodies of all messages alike, so that edits and webhooks contain fields that Discord ignores.
const EDITED_MESSAGE: Fields<RESTPatchAPIChannelMessageJSONBody, 'tts' | 'nonce' | 'enforce_nonce'> = {
  ...{ content: true, embeds: true, flags: true, allowed_mentions: true, attachments: true, components: true },
  ...{ tts: true, nonce: true, enforce_nonce: true },
};
const NEW_CHANNEL: Fields<RESTPostAPIGuildChannelJSONBody> = {
  ...{ name: true, type: true, topic: true, bitrate: true, user_limit: true, rate_limit_per_user: true },
  ...{ position: true, permission_overwrites: true, parent_id: true, nsfw: true, rtc_region: true, flags: true },
  ...{ video_quality_mode: true, default_auto_archive_duration: true, default_reaction_emoji: true },
  ...{ available_tags: true, default_sort_order: true, default_forum_layout: true },
  default_thread_rate_limit_per_user: true,
};
type UndocumentedChannelField = 'applied_tags' | 'default_sort_order' | 'default_forum_layout' | 'lock_permissions';
const CHANNEL: Fields<RESTPatchAPIChannelJSONBody, UndocumentedChannelField> = {
  ...NEW_CHANNEL,
  ...{ archived: true, auto_archive_duration: true, locked: true, invitable: true, applied_tags: true },
  lock_permissions: true,
};
const ROLE: Fields<RESTPostAPIGuildRoleJSONBody & RESTPatchAPIGuildRoleJSONBody> = {
  ...{ name: true, permissions: true, color: true, colors: true, hoist: true, icon: true, unicode_emoji: true },
  mentionable: true,
};
const MEMBER: Fields<RESTPatchAPIGuildMemberJSONBody> = {
  ...{ nick: true, roles: true, mute: true, deaf: true, channel_id: true, communication_disabled_until: true },
  flags: true,
};
const GUILD: Fields<RESTPatchAPIGuildJSONBody> = {
  ...{ name: true, region: true, verification_level: true, default_message_notifications: true, owner_id: false },
  ...{ explicit_content_filter: true, afk_channel_id: true, afk_timeout: true, icon: true, splash: true },
  ...{ discovery_splash: true, banner: true, system_channel_id: true, system_channel_flags: true },
  ...{ rules_channel_id: true, public_updates_channel_id: true, preferred_locale: true, features: true },
  ...{ description: true, premium_progress_bar_enabled: true, safety_alerts_channel_id: true },
};
const BAN: Fields<RESTPutAPIGuildBanJSONBody> = { delete_message_days: true, delete_message_seconds: true };
const INVITE: Fields<RESTPostAPIChannelInviteJSONBody> = {
  ...{ max_age: true, max_uses: true, temporary: true, unique: true, target_type: false, target_user_id: false },
  ...{ target_application_id: false, role_ids: false },
};
// discord.js sends the type here, too.
const MESSAGE_THREAD: Fields<RESTPostAPIChannelMessagesThreadsJSONBody, 'type'> = {
  ...{ name: true, auto_archive_duration: true, rate_limit_per_user: true, type: true },
};
const THREAD: Fields<RESTPostAPIChannelThreadsJSONBody, 'message' | 'applied_tags'> = {
  ...MESSAGE_THREAD,
  ...{ invitable: true, message: true, applied_tags: true },
};
const NEW_WEBHOOK: Fields<RESTPostAPIChannelWebhookJSONBody> = { name: true, avatar: true };
const WEBHOOK: Fields<RESTPatchAPIWebhookJSONBody> = { name: true, avatar: true, channel_id: true };
const WEBHOOK_MESSAGE: Fields<RESTPostAPIWebhookWithTokenJSONBody, 'nonce' | 'enforce_nonce'> = {
  ...{ content: true, username: true, avatar_url: true, tts: true, embeds: true, allowed_mentions: true },
  ...{ components: true, attachments: true, flags: true, thread_name: false, applied_tags: false, poll: false },
  ...{ nonce: true, enforce_nonce: true },
};
const VOICE: Fields<RESTPatchAPIGuildVoiceStateCurrentMemberJSONBody> = {
  ...{ channel_id: true, suppress: true, request_to_speak_timestamp: true },
};
const USER: Fields<RESTPatchAPICurrentUserJSONBody> = { username: true, avatar: true, banner: false };
const APPLICATION: Fields<RESTPatchCurrentApplicationJSONBody> = {
  ...{ description: true, interactions_endpoint_url: true, event_webhooks_url: true, tags: true, flags: false },
  ...{ cover_image: false, icon: false, custom_install_url: true, event_webhooks_status: false },
  ...{ event_webhooks_types: false, install_params: true, integration_types_config: true },
  role_connections_verification_url: false,
};

/** The fields of the bodies that bots send, as discord-api-types declares them. The compiler reports fields that are missing here. */
const FIELDS: Readonly<Record<string, Readonly<Record<string, boolean>>>> = {
  'POST /channels/:channel/messages': MESSAGE,
  'PATCH /channels/:channel/messages/:message': EDITED_MESSAGE,
  'POST /guilds/:guild/channels': NEW_CHANNEL,
  'PATCH /channels/:channel': CHANNEL,
  'POST /guilds/:guild/roles': ROLE,
  'PATCH /guilds/:guild/roles/:role': ROLE,
  'PATCH /guilds/:guild/members/:user': MEMBER,
  'PATCH /guilds/:guild': GUILD,
  'PUT /guilds/:guild/bans/:user': BAN,
  'POST /channels/:channel/invites': INVITE,
  'POST /channels/:channel/messages/:message/threads': MESSAGE_THREAD,
  'POST /channels/:channel/threads': THREAD,
  'POST /channels/:channel/webhooks': NEW_WEBHOOK,
  'PATCH /webhooks/:webhook': WEBHOOK,
  'POST /webhooks/:webhook/:token': WEBHOOK_MESSAGE,
  'PATCH /guilds/:guild/voice-states/:user': VOICE,
  'PATCH /users/@me': USER,
  'PATCH /applications/@me': APPLICATION,
};

/** The fields of a body that have no effect here: those that the simulator ignores, and those that Discord does not document. */
export function fieldsWithoutEffect(route: string, json: unknown): string[] {
  const known = FIELDS[route];
  if (known === undefined || json === null || typeof json !== 'object' || Array.isArray(json)) return [];
  const given = Object.entries(json).filter(([, value]) => value !== undefined && value !== null);
  return given.map(([name]) => name).filter((name) => known[name] !== true);
}
