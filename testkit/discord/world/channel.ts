import { ChannelType } from 'discord-api-types/v10';
import type { Overwrite } from './permissions.ts';

/** A channel or thread of a guild in the form of the REST API. Its type determines the optional fields. */
export interface GuildChannel {
  readonly id: string;
  readonly type: number;
  readonly guild_id: string;
  name: string;
  position: number;
  permission_overwrites: Overwrite[];
  parent_id: string | null;
  nsfw: boolean;
  topic?: string | null;
  rate_limit_per_user?: number;
  last_message_id?: string | null;
  last_pin_timestamp?: string | null;
  bitrate?: number;
  user_limit?: number;
  rtc_region?: string | null;
  default_auto_archive_duration?: number;
  flags: number;
}

export interface ThreadChannel extends GuildChannel {
  readonly owner_id: string;
  thread_metadata: {
    archived: boolean;
    auto_archive_duration: number;
    archive_timestamp: string;
    locked: boolean;
    invitable?: boolean;
    create_timestamp: string;
  };
  message_count: number;
  member_count: number;
  total_message_sent: number;
  applied_tags?: string[];
}

/** The fields that create or change a channel. */
export type ChannelFields = Partial<Omit<GuildChannel, 'id' | 'guild_id'>>;

const VOICE: readonly number[] = [ChannelType.GuildVoice, ChannelType.GuildStageVoice];

/** Creates a channel with the fields of its type. */
export function createChannel(id: string, guildId: string, fields: ChannelFields): GuildChannel {
  const type = fields.type ?? ChannelType.GuildText;
  const base = {
    id,
    type,
    guild_id: guildId,
    name: 'channel',
    position: 0,
    permission_overwrites: [],
    nsfw: false,
    parent_id: null,
    flags: 0,
  };
  if (type === ChannelType.GuildCategory) return { ...base, ...fields, type };
  const talk = { rate_limit_per_user: 0, last_message_id: null };
  const own = VOICE.includes(type) ? { bitrate: 64_000, user_limit: 0, rtc_region: null } : { topic: null };
  return { ...base, ...talk, ...own, ...fields, type };
}
