import type { WorldParts } from '../rest/world-parts.ts';

/** A user accepts an invite. It ends with its last use. @throws Error if the guild has no such invite */
export function useInvite(
  { invites, dispatch }: Pick<WorldParts, 'invites' | 'dispatch'>,
  guildId: string,
  code: string,
): void {
  const invite = invites.get(code);
  if (invite?.guildId !== guildId) throw new Error(`guild ${guildId} has no invite ${code}`);
  invite.uses++;
  if (invite.maxUses === 0 || invite.uses < invite.maxUses) return;
  invites.delete(code);
  dispatch('INVITE_DELETE', { channel_id: invite.channelId, guild_id: guildId, code }, guildId);
}
