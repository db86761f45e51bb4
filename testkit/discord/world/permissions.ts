import { PermissionFlagsBits } from 'discord-api-types/v10';
import type { SimulatedGuild } from './guild.ts';

const P = PermissionFlagsBits;

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
  P.CreateInstantInvite;

export const MODERATOR_PERMISSIONS =
  EVERYONE_PERMISSIONS |
  P.KickMembers |
  P.BanMembers |
  P.ManageMessages |
  P.ManageNicknames |
  P.ModerateMembers |
  P.ViewAuditLog;

/** What a member may do in a guild, as Discord computes it without channel overwrites. Nothing for who is not a member. */
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

/** Whether Discord offers a command to somebody: `required` is the command's `default_member_permissions`. */
export function mayUseCommand(guild: SimulatedGuild, userId: string, required: string | null | undefined): boolean {
  if (required === null || required === undefined) return true;
  const granted = memberPermissions(guild, userId);
  if (granted === ALL_PERMISSIONS) return true;
  const bits = BigInt(required);
  // "0" means: nobody but administrators.
  return bits !== 0n && (granted & bits) === bits;
}
