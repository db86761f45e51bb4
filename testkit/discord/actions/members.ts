import type { APIGuildMember } from 'discord-api-types/v10';
import type { WorldParts } from '../rest/world-parts.ts';
import { createMember, type SimulatedGuild } from '../world/guild.ts';
import { changeVoice } from './voice.ts';

type Parts = Pick<WorldParts, 'world' | 'dispatch'>;

/** A user joins a guild. */
export function addMember({ world, dispatch }: Parts, guild: SimulatedGuild, userId: string): void {
  const member = createMember(userId, [], new Date().toISOString());
  world.keep(guild);
  guild.members.set(userId, member);
  dispatch('GUILD_MEMBER_ADD', { ...member, guild_id: guild.id }, guild.id);
}

/** Replaces a member and sends the event. */
export function updateMember(
  { world, dispatch }: Parts,
  guild: SimulatedGuild,
  member: APIGuildMember,
): APIGuildMember {
  world.keep(guild);
  guild.members.set(member.user.id, member);
  dispatch('GUILD_MEMBER_UPDATE', { ...member, guild_id: guild.id }, guild.id);
  return member;
}

/** A user leaves a guild, its voice channels and threads. Does nothing if the user is not a member. */
export function removeMember(parts: Parts, guild: SimulatedGuild, userId: string): void {
  const { world, dispatch } = parts;
  if (!guild.members.has(userId)) return;
  world.keep(guild);
  if (guild.voice.has(userId)) changeVoice(parts, guild, userId, { channel_id: null });
  for (const members of guild.threadMembers.values()) members.delete(userId);
  guild.members.delete(userId);
  dispatch('GUILD_MEMBER_REMOVE', { guild_id: guild.id, user: world.user(userId) }, guild.id);
}
