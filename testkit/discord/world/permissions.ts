import { ChannelType, PermissionFlagsBits } from 'discord-api-types/v10';
import { type GuildChannel, isThread } from './channel.ts';
import type { SimulatedGuild } from './guild.ts';

const P = PermissionFlagsBits;

/** A permission overwrite of a channel for a role or a member. */
export interface Overwrite {
  readonly id: string;
  readonly allow: string;
  readonly deny: string;
}

export const ALL_PERMISSIONS = Object.values(P).reduce((all, bit) => all | bit, 0n);

export const EVERYONE_PERMISSIONS =
  P.ViewChannel |
  P.SendMessages |
  P.SendMessagesInThreads |
  P.EmbedLinks |
  P.AttachFiles |
  P.ReadMessageHistory |
  P.AddReactions |
  P.UseExternalEmojis |
  P.UseApplicationCommands |
  P.Connect |
  P.Speak |
  P.ChangeNickname |
  P.CreatePublicThreads |
  P.CreatePrivateThreads |
  P.CreateInstantInvite;

export const MODERATOR_PERMISSIONS =
  EVERYONE_PERMISSIONS |
  P.KickMembers |
  P.BanMembers |
  P.ManageMessages |
  P.ManageNicknames |
  P.ModerateMembers |
  P.ViewAuditLog;

/** The bot's role has every permission except Administrator, which would ignore the overwrites of channels. */
export const BOT_PERMISSIONS = ALL_PERMISSIONS & ~P.Administrator;

/** The application's permissions in direct messages, where it has no roles. */
export const DIRECT_PERMISSIONS = P.AttachFiles | P.EmbedLinks | P.MentionEveryone | P.UseExternalEmojis;

/** A member's permissions in a guild before channel overwrites, as Discord computes them; none for other users. */
export function memberPermissions(guild: SimulatedGuild, userId: string): bigint {
  const member = guild.members.get(userId);
  if (member === undefined) return 0n;
  if (guild.ownerId === userId) return ALL_PERMISSIONS;
  let granted = 0n;
  for (const role of guild.roles) {
    if (role.id === guild.id || member.roles.includes(role.id)) granted |= BigInt(role.permissions);
  }
  return (granted & P.Administrator) === P.Administrator ? ALL_PERMISSIONS : granted;
}

/** The permissions of a member in time-out. */
const TIMED_OUT = P.ViewChannel | P.ReadMessageHistory;

/**
 * A member's permissions in a channel, as Discord computes them: base permissions, overwrites, time-outs. A thread has those of its
 * channel. Only its members and moderators see a private thread.
 */
export function channelPermissions(guild: SimulatedGuild, userId: string, channel: GuildChannel | undefined): bigint {
  const member = guild.members.get(userId);
  let granted = memberPermissions(guild, userId);
  if (member === undefined || granted === ALL_PERMISSIONS) return granted;
  if (channel !== undefined && isThread(channel)) {
    const parent = guild.channels.find(({ id }) => id === channel.parent_id);
    const inParent = channelPermissions(guild, userId, parent);
    const isHidden = channel.type === ChannelType.PrivateThread && (inParent & P.ManageThreads) === 0n;
    return isHidden && guild.threadMembers.get(channel.id)?.has(userId) !== true ? 0n : inParent;
  }
  const overwrites = channel?.permission_overwrites ?? [];
  // Most channels have none. The bot's permissions are computed for every message.
  if (overwrites.length === 0 && !member.communication_disabled_until) return granted;
  const apply = (chosen: readonly Overwrite[]): void => {
    for (const { deny } of chosen) granted &= ~BigInt(deny);
    for (const { allow } of chosen) granted |= BigInt(allow);
  };
  apply(overwrites.filter(({ id }) => id === guild.id));
  apply(overwrites.filter(({ id }) => id !== guild.id && member.roles.includes(id)));
  apply(overwrites.filter(({ id }) => id === userId));
  const until = member.communication_disabled_until;
  return until !== null && until !== undefined && Date.parse(until) > Date.now() ? granted & TIMED_OUT : granted;
}

/** Whether a user may use a command. `required` is the command's `default_member_permissions`. */
export function mayUseCommand(guild: SimulatedGuild, userId: string, required: string | null | undefined): boolean {
  if (required === null || required === undefined) return true;
  const granted = memberPermissions(guild, userId);
  if (granted === ALL_PERMISSIONS) return true;
  const bits = BigInt(required);
  // "0" means administrators only.
  return bits !== 0n && (granted & bits) === bits;
}
