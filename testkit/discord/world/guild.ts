import { type APIGuildMember, type APIRole, ChannelType, type GuildMemberFlags } from 'discord-api-types/v10';
import { snowflakeAfter, snowflakeTime } from '../snowflake.ts';
import { createChannel, type GuildChannel, type ThreadChannel } from './channel.ts';
import { CHANNELS, GUILD_FIRST, GUILD_SECOND, LOCALES } from './names.ts';
import { EVERYONE_PERMISSIONS, MODERATOR_PERMISSIONS } from './permissions.ts';
import { hashText, Random } from './random.ts';
import { createUser } from './users.ts';
import type { VoiceState } from './voice.ts';

/** An emoji of a guild in the form of the REST API. */
export interface GuildEmoji {
  readonly id: string;
  name: string;
  roles: string[];
  readonly user: object;
  readonly require_colons: boolean;
  readonly managed: boolean;
  readonly animated: boolean;
  readonly available: boolean;
}

/** A sticker of a guild in the form of the REST API. */
export interface GuildSticker {
  readonly id: string;
  name: string;
  description: string | null;
  tags: string;
  readonly type: 2;
  readonly format_type: number;
  readonly available: boolean;
  readonly guild_id: string;
  readonly user: object;
}

/** A simulated guild. It follows from its id and the seed and is created on first use, so a million guilds cost nothing. */
export interface SimulatedGuild {
  readonly id: string;
  name: string;
  readonly locale: string;
  readonly ownerId: string;
  /** Whether the bot is in the guild. Users can use an installed app in a guild that the bot has not joined. */
  readonly joined: boolean;
  readonly joinedAt: string;
  /** The REST API changes these, like channels and threads; see `World.keep`. */
  readonly roles: APIRole[];
  readonly channels: GuildChannel[];
  /** All threads, including archived ones. */
  readonly threads: ThreadChannel[];
  /** The members of threads by thread, and the times at which they joined. */
  readonly threadMembers: Map<string, Map<string, string>>;
  readonly emojis: GuildEmoji[];
  readonly stickers: GuildSticker[];
  /** The users in voice channels. */
  readonly voice: Map<string, VoiceState>;
  /** Changed fields of the guild object, such as its features. */
  readonly settings: Record<string, unknown>;
  /** By user id. Includes the bot if it has joined. */
  readonly members: Map<string, APIGuildMember>;
  /** Reasons of bans by user id. */
  readonly bans: Map<string, string | null>;
  /** Members with all permissions, starting with the owner. */
  readonly adminIds: readonly string[];
  readonly moderatorIds: readonly string[];
  /** Members without any role. */
  readonly memberIds: readonly string[];
}

// Offsets of roles and channels in the block of 16 ids that starts with the guild's id.
const ADMIN_ROLE = 1;
const MODERATOR_ROLE = 2;
const BOT_ROLE = 3;
const FIRST_CHANNEL = 8;
const TEXT_CHANNELS = 4;
/** The channels after the text channels. */
const OTHER_CHANNELS: readonly { readonly name: string; readonly type: ChannelType; readonly inCategory?: true }[] = [
  { name: 'Community', type: ChannelType.GuildCategory },
  { name: 'Lounge', type: ChannelType.GuildVoice, inCategory: true },
  { name: 'news', type: ChannelType.GuildAnnouncement, inCategory: true },
  { name: 'questions', type: ChannelType.GuildForum, inCategory: true },
];

/** The guild of a channel that was created with its guild: the ids of both are in a block of 16. */
export function guildOfFirstChannel(channelId: string): string {
  const id = BigInt(channelId);
  return String(id - (id % 16n));
}

/** A channel or thread of a guild. */
export function channelOf({ channels, threads }: SimulatedGuild, channelId: string): GuildChannel | undefined {
  const isIt = ({ id }: GuildChannel): boolean => id === channelId;
  return channels.find(isIt) ?? threads.find(isIt);
}

/**
 * @param people the ids to draw members from
 * @param bot the bot's user and the permissions of its role, or null if it has not joined
 */
export function createGuild(
  id: string,
  seed: number,
  people: readonly string[],
  bot: { readonly user: { readonly id: string }; readonly permissions: bigint } | null,
): SimulatedGuild {
  const random = new Random(hashText(id) ^ seed);
  const created = snowflakeTime(id);
  const drawn = new Set<string>();
  const size = Math.min(people.length, 9 + random.below(5));
  while (drawn.size < size) drawn.add(random.pick(people));
  const [ownerId = '', adminId = '', moderatorId = '', ...memberIds] = drawn;

  const adminRole = snowflakeAfter(id, ADMIN_ROLE);
  const moderatorRole = snowflakeAfter(id, MODERATOR_ROLE);
  const botRole = snowflakeAfter(id, BOT_ROLE);
  const joinedAt = isoAfter(created, random.below(90) + 30);
  const members = new Map<string, APIGuildMember>();
  for (const userId of drawn) {
    const roles = userId === adminId ? [adminRole] : userId === moderatorId ? [moderatorRole] : [];
    const days = userId === ownerId ? 0 : random.below(60);
    members.set(userId, createMember(userId, roles, isoAfter(Math.max(created, snowflakeTime(userId)), days)));
  }
  if (bot !== null) {
    const { user } = bot;
    members.set(user.id, { ...createMember(user.id, [botRole], joinedAt), user: user as APIGuildMember['user'] });
  }
  const names = new Set(['general', 'mod-log']);
  while (names.size < TEXT_CHANNELS) names.add(random.pick(CHANNELS));
  return {
    id,
    name: `${random.pick(GUILD_FIRST)} ${random.pick(GUILD_SECOND)}`,
    locale: random.below(3) === 0 ? random.pick(LOCALES) : 'en-US',
    ownerId,
    joined: bot !== null,
    joinedAt,
    roles: [
      createRole(id, '@everyone', EVERYONE_PERMISSIONS, 0),
      createRole(moderatorRole, 'Moderator', MODERATOR_PERMISSIONS, 1),
      ...(bot === null ? [] : [createBotRole(botRole, bot.user.id, bot.permissions)]),
      createRole(adminRole, 'Admin', 8n, 3),
    ],
    channels: createChannels(id, [...names]),
    threads: [],
    threadMembers: new Map(),
    emojis: [],
    stickers: [],
    voice: new Map(),
    settings: {},
    members,
    bans: new Map(),
    adminIds: [ownerId, adminId],
    moderatorIds: [moderatorId],
    memberIds,
  };
}

function createChannels(guildId: string, names: readonly string[]): GuildChannel[] {
  const idOf = (index: number): string => snowflakeAfter(guildId, FIRST_CHANNEL + index);
  const texts = names.map((name, index) => createChannel(idOf(index), guildId, { name, position: index }));
  const category = idOf(TEXT_CHANNELS);
  const others = OTHER_CHANNELS.map(({ name, type, inCategory }, index) => {
    const place = { position: TEXT_CHANNELS + index, parent_id: inCategory ? category : null };
    return createChannel(idOf(TEXT_CHANNELS + index), guildId, { name, type, ...place });
  });
  return [...texts, ...others];
}

export function createMember(userId: string, roles: string[], joinedAt: string): APIGuildMember {
  return {
    user: createUser(userId),
    nick: null,
    avatar: null,
    banner: null,
    roles,
    joined_at: joinedAt,
    premium_since: null,
    deaf: false,
    mute: false,
    flags: 0 as GuildMemberFlags,
    pending: false,
    communication_disabled_until: null,
  };
}

function isoAfter(unixMs: number, days: number): string {
  return new Date(Math.min(unixMs + days * 86_400_000, Date.UTC(2026, 6, 1))).toISOString();
}

export function createRole(id: string, name: string, permissions: bigint, position: number): APIRole {
  return {
    id,
    name,
    color: 0,
    colors: { primary_color: 0, secondary_color: null, tertiary_color: null },
    hoist: position > 1,
    position,
    permissions: permissions.toString(),
    managed: false,
    mentionable: false,
    flags: 0,
  } as unknown as APIRole;
}

/** The role that Discord creates for a bot. It is below the administrators, so the bot cannot act on them. */
function createBotRole(id: string, botId: string, permissions: bigint): APIRole {
  return { ...createRole(id, 'guildway', permissions, 2), managed: true, tags: { bot_id: botId } };
}
