import type { WorldParts } from '../rest/world-parts.ts';

/** The bot leaves a guild. @returns whether it was in the guild */
export function leaveGuild({ world, dispatch }: Pick<WorldParts, 'world' | 'dispatch'>, guildId: string): boolean {
  if (!world.leave(guildId)) return false;
  dispatch('GUILD_DELETE', { id: guildId }, guildId);
  return true;
}
