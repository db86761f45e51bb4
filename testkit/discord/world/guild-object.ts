import type { SimulatedGuild } from './guild.ts';
import type { Presences } from './presence.ts';

/** A guild in the form of the REST API. */
export function guildObject(guild: SimulatedGuild): Record<string, unknown> {
  return {
    id: guild.id,
    name: guild.name,
    icon: null,
    description: null,
    splash: null,
    discovery_splash: null,
    features: [],
    emojis: guild.emojis,
    stickers: guild.stickers,
    banner: null,
    owner_id: guild.ownerId,
    application_id: null,
    region: 'deprecated',
    afk_channel_id: null,
    afk_timeout: 300,
    system_channel_id: guild.channels[0]?.id ?? null,
    system_channel_flags: 0,
    widget_enabled: false,
    widget_channel_id: null,
    verification_level: 1,
    roles: guild.roles,
    default_message_notifications: 0,
    mfa_level: 0,
    explicit_content_filter: 0,
    max_presences: null,
    max_members: 500_000,
    max_video_channel_users: 25,
    vanity_url_code: null,
    premium_tier: 0,
    premium_subscription_count: 0,
    premium_progress_bar_enabled: false,
    preferred_locale: guild.locale,
    rules_channel_id: null,
    safety_alerts_channel_id: null,
    public_updates_channel_id: null,
    nsfw: false,
    nsfw_level: 0,
    hub_type: null,
    ...guild.settings,
  };
}

/** The fields that `with_counts` adds. */
export function approximateCounts({ members }: SimulatedGuild): object {
  return { approximate_member_count: members.size, approximate_presence_count: Math.ceil(members.size / 2) };
}

interface GuildCreateOptions {
  readonly botId: string;
  /** With the presences intent, Discord sends all members and presences; without it, the bot and the users in voice channels. */
  readonly presences: Presences | null;
}

/** The data of a GUILD_CREATE, as JSON. */
export function guildCreateJson(guild: SimulatedGuild, { botId, presences }: GuildCreateOptions): string {
  const members = [...guild.members.values()];
  return JSON.stringify({
    ...guildObject(guild),
    joined_at: guild.joinedAt,
    large: false,
    unavailable: false,
    member_count: guild.members.size,
    voice_states: [...guild.voice.values()],
    members: presences === null ? members.filter(({ user: { id } }) => id === botId || guild.voice.has(id)) : members,
    channels: guild.channels,
    threads: guild.threads.filter(({ thread_metadata }) => !thread_metadata.archived),
    presences: presences === null ? [] : presencesOf(guild, presences),
    stage_instances: [],
    guild_scheduled_events: [],
    soundboard_sounds: [],
  });
}

/** Presences of the members who are not offline. */
function presencesOf({ members }: SimulatedGuild, presences: Presences): object[] {
  return [...members.keys()].filter((id) => presences.get(id).status !== 'offline').map((id) => presences.json(id));
}
