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
  /** Of forums and media channels. */
  available_tags?: ForumTag[];
  default_reaction_emoji?: object | null;
  default_thread_rate_limit_per_user?: number;
  default_sort_order?: number | null;
  default_forum_layout?: number;
  flags: number;
}

interface ForumTag {
  readonly id: string;
  readonly name: string;
  readonly moderated: boolean;
  readonly emoji_id: string | null;
  readonly emoji_name: string | null;
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
const FORUMS: readonly number[] = [ChannelType.GuildForum, ChannelType.GuildMedia];

export const isVoice = ({ type }: { readonly type: number }): boolean => VOICE.includes(type);
export const isForum = ({ type }: { readonly type: number }): boolean => FORUMS.includes(type);
export const isThread = (channel: object): channel is ThreadChannel => 'thread_metadata' in channel;

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
  return { ...base, ...talk, ...fieldsOfType(type), ...fields, type };
}

function fieldsOfType(type: number): Partial<GuildChannel> {
  if (VOICE.includes(type)) return { bitrate: 64_000, user_limit: 0, rtc_region: null };
  if (!FORUMS.includes(type)) return { topic: null };
  const defaults = { default_reaction_emoji: null, default_thread_rate_limit_per_user: 0, default_sort_order: null };
  return { topic: null, available_tags: [], ...defaults, default_forum_layout: 0 };
}
