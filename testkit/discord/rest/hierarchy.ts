import { type APIRole, PermissionFlagsBits } from 'discord-api-types/v10';
import type { SimulatedGuild } from '../world/guild.ts';
import { ALL_PERMISSIONS, memberPermissions, type Overwrite } from '../world/permissions.ts';
import { DiscordError } from './errors.ts';

/** Compares the places of roles: positive if `a` is above `b`. Of two roles with the same position the older one is above. */
function compareRoles(a: APIRole, b: APIRole): number {
  return a.position === b.position ? Number(BigInt(b.id) - BigInt(a.id)) : a.position - b.position;
}

/** The highest role of a member; @everyone for members without roles. */
function highestRole(guild: SimulatedGuild, userId: string): APIRole {
  const own = guild.members.get(userId)?.roles ?? [];
  return guild.roles
    .filter(({ id }) => id === guild.id || own.includes(id))
    .reduce((highest, role) => (compareRoles(role, highest) > 0 ? role : highest));
}

/** Nobody may kick, ban, time out or rename members at or above their own highest role. @throws DiscordError 50013 */
export function requireAboveMember(guild: SimulatedGuild, actorId: string, targetId: string): void {
  if (actorId === guild.ownerId) return;
  if (targetId === guild.ownerId) throw new DiscordError(403, 50013);
  // A user who is not a member can be banned.
  if (!guild.members.has(targetId)) return;
  if (compareRoles(highestRole(guild, actorId), highestRole(guild, targetId)) <= 0) throw new DiscordError(403, 50013);
}

/** Nobody may assign, change or delete roles at or above their own highest role. @throws DiscordError 50013 */
export function requireAboveRole(guild: SimulatedGuild, actorId: string, role: APIRole): void {
  if (actorId === guild.ownerId) return;
  if (compareRoles(highestRole(guild, actorId), role) <= 0) throw new DiscordError(403, 50013);
}

/**
 * Nobody may move roles at or above their own highest role, or move others there.
 * @param positions new positions by role id
 * @throws DiscordError 50013
 */
export function requireSameOrderAbove(
  guild: SimulatedGuild,
  actorId: string,
  positions: ReadonlyMap<string, number>,
): void {
  if (actorId === guild.ownerId) return;
  const own = highestRole(guild, actorId);
  const ordered = (roles: readonly APIRole[]): string[] => [...roles].sort(compareRoles).map(({ id }) => id);
  const before = ordered(guild.roles.filter((role) => compareRoles(role, own) >= 0));
  const after = ordered(guild.roles.map((role) => ({ ...role, position: positions.get(role.id) ?? role.position })));
  const stays = after.slice(-before.length).every((id, index) => id === before[index]);
  if (!stays) throw new DiscordError(403, 50013);
}

/** Integrations assign their roles themselves, and every member has @everyone. @throws DiscordError 50013, 50028 */
export function requireAssignable(guild: SimulatedGuild, actorId: string, role: APIRole): void {
  if (role.id === guild.id) throw new DiscordError(400, 50028);
  if (role.managed) throw new DiscordError(403, 50013);
  requireAboveRole(guild, actorId, role);
}

/** Nobody may give permissions that they do not have. @throws DiscordError 50013 */
export function requireOwnPermissions(guild: SimulatedGuild, actorId: string, permissions: string): void {
  const granted = memberPermissions(guild, actorId);
  if (granted !== ALL_PERMISSIONS && (BigInt(permissions) & ~granted) !== 0n) throw new DiscordError(403, 50013);
}

/**
 * Overwrites allow and deny only what the actor may do itself. Only administrators may set ManageRoles in a channel.
 * @throws DiscordError 50013
 */
export function requireOwnOverwrites(guild: SimulatedGuild, actorId: string, overwrites: readonly Overwrite[]): void {
  const granted = memberPermissions(guild, actorId);
  if (granted === ALL_PERMISSIONS) return;
  const beyond = ~granted | PermissionFlagsBits.ManageRoles;
  const exceeds = ({ allow, deny }: Overwrite): boolean => ((BigInt(allow) | BigInt(deny)) & beyond) !== 0n;
  if (overwrites.some(exceeds)) throw new DiscordError(403, 50013);
}
