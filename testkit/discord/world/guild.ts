import type { APIGuildMember, APIRole, GuildMemberFlags } from 'discord-api-types/v10';
import { snowflakeAfter, snowflakeTime } from '../snowflake.ts';
import { createChannel, type GuildChannel, type ThreadChannel } from './channel.ts';
import { CHANNELS, GUILD_FIRST, GUILD_SECOND, LOCALES } from './names.ts';
import { EVERYONE_PERMISSIONS, MODERATOR_PERMISSIONS } from './permissions.ts';
import { hashText, Random } from './random.ts';
import { createUser } from './users.ts';

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

/** A simulated guild. It follows from its id and the seed and is created on first use, so a million guilds cost nothing. */
export interface SimulatedGuild {
  readonly id: string;
  readonly name: string;
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
  readonly emojis: GuildEmoji[];
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

// Offsets of roles and channels in the block of ids that starts with the guild's id.
const ADMIN_ROLE = 1;
const MODERATOR_ROLE = 2;
const BOT_ROLE = 3;
const FIRST_CHANNEL = 8;
const MAX_CHANNELS = 4;

/** The possible ids of the guild of a channel. */
export function guildsOfChannel(channelId: string): string[] {
  return Array.from({ length: MAX_CHANNELS }, (_, index) => snowflakeAfter(channelId, -(FIRST_CHANNEL + index)));
}

/**
 * @param people the ids to draw members from
 * @param bot the bot's user, or null if it has not joined
 */
export function createGuild(
  id: string,
  seed: number,
  people: readonly string[],
  bot: { id: string } | null,
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
    members.set(bot.id, { ...createMember(bot.id, [botRole], joinedAt), user: bot as APIGuildMember['user'] });
  }
  const names = new Set(['general', 'mod-log']);
  while (names.size < MAX_CHANNELS) names.add(random.pick(CHANNELS));
  return {
    id,
    name: `${random.pick(GUILD_FIRST)} ${random.pick(GUILD_SECOND)}`,
    locale: random.below(3) === 0 ? random.pick(LOCALES) : 'en-US',
    ownerId,
    joined: bot !== null,
    joinedAt,
    roles: [
      createRole(id, '@everyone', EVERYONE_PERMISSIONS, 0),
      createRole(moderatorRole, 'Moderator', MODERATOR_PERMISSIONS, 2),
      createRole(adminRole, 'Admin', 8n, 3),
      ...(bot === null ? [] : [createRole(botRole, 'guildway', MODERATOR_PERMISSIONS, 1)]),
    ],
    channels: [...names].map((name, index) =>
      createChannel(snowflakeAfter(id, FIRST_CHANNEL + index), id, { name, position: index }),
    ),
    threads: [],
    emojis: [],
    members,
    bans: new Map(),
    adminIds: [ownerId, adminId],
    moderatorIds: [moderatorId],
    memberIds,
  };
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
    managed: name === 'guildway',
    mentionable: false,
    flags: 0,
  } as unknown as APIRole;
}
