import { PermissionFlagsBits as P } from 'discord-api-types/v10';
import type { StoredInvite } from '../../store/invites.ts';
import type { SimulatedGuild } from '../../world/guild.ts';
import { approximateCounts } from '../../world/guild-object.ts';
import { requireInChannel } from '../access.ts';
import { DiscordError } from '../errors.ts';
import { createLookup } from '../lookup.ts';
import { hasFlag } from '../query.ts';
import type { RestRequest, Route } from '../router.ts';
import type { WorldParts } from '../world-parts.ts';

const DAY = 86_400;

/** Routes of invites. */
export function inviteRoutes({ world, messages, invites, dispatch }: WorldParts): Route[] {
  const lookup = createLookup(world, messages);
  const inviteOf = ({ params }: RestRequest): { invite: StoredInvite; guild: SimulatedGuild } => {
    const invite = invites.get(params.code ?? '');
    const guild = invite === undefined ? undefined : world.guild(invite.guildId);
    if (invite === undefined || guild === undefined) throw new DiscordError(404, 10006);
    return { invite, guild };
  };
  /** The public form of an invite. `full` adds the fields for users who manage the guild. */
  const shown = (invite: StoredInvite, guild: SimulatedGuild, full: boolean): object => {
    const channel = guild.channels.find(({ id }) => id === invite.channelId);
    const { code, maxAge, maxUses, temporary, uses, createdAt } = invite;
    const expires = maxAge === 0 ? null : new Date(Date.parse(createdAt) + maxAge * 1000).toISOString();
    return {
      ...{ type: 0, code, expires_at: expires },
      guild: { id: guild.id, name: guild.name, icon: null, features: [] },
      guild_id: guild.id,
      channel: { id: invite.channelId, name: channel?.name ?? null, type: channel?.type ?? 0 },
      inviter: world.user(invite.inviterId),
      ...(full ? { uses, max_uses: maxUses, max_age: maxAge, temporary, created_at: createdAt } : {}),
    };
  };
  return [
    {
      method: 'GET',
      path: '/guilds/:guild/invites',
      auth: 'bot',
      handle(request) {
        const guild = lookup.guild(request);
        return { status: 200, body: invites.of(guild.id, null).map((one) => shown(one, guild, true)) };
      },
    },
    {
      method: 'GET',
      path: '/channels/:channel/invites',
      auth: 'bot',
      handle(request) {
        const { channel, guild } = lookup.guildChannel(request);
        return { status: 200, body: invites.of(guild.id, channel.id).map((one) => shown(one, guild, true)) };
      },
    },
    {
      method: 'POST',
      path: '/channels/:channel/invites',
      auth: 'bot',
      handle(request) {
        const { channel, guild } = lookup.guildChannel(request);
        const body = (request.json ?? {}) as Record<string, unknown>;
        const terms = {
          maxAge: Number(body.max_age ?? DAY),
          maxUses: Number(body.max_uses ?? 0),
          temporary: body.temporary === true,
        };
        const fits = (one: StoredInvite): boolean => one.maxAge === terms.maxAge && one.maxUses === terms.maxUses;
        const similar = body.unique === true ? undefined : invites.of(guild.id, channel.id).find(fits);
        if (similar !== undefined) return { status: 200, body: shown(similar, guild, true) };
        const invite = invites.add({ guildId: guild.id, channelId: channel.id, inviterId: world.bot.id, ...terms });
        const data = { ...shown(invite, guild, true), channel_id: channel.id };
        dispatch('INVITE_CREATE', data, guild.id);
        return { status: 200, body: shown(invite, guild, true) };
      },
    },
    {
      method: 'GET',
      path: '/invites/:code',
      auth: 'none',
      handle(request) {
        const { invite, guild } = inviteOf(request);
        const counts = hasFlag(request.query, 'with_counts') ? approximateCounts(guild) : {};
        return { status: 200, body: { ...shown(invite, guild, false), ...counts } };
      },
    },
    {
      method: 'DELETE',
      path: '/invites/:code',
      auth: 'bot',
      handle(request) {
        const { invite, guild } = inviteOf(request);
        requireInChannel(world, invite.channelId, [P.ManageChannels, P.ManageGuild]);
        invites.delete(invite.code);
        const data = { channel_id: invite.channelId, guild_id: guild.id, code: invite.code };
        dispatch('INVITE_DELETE', data, guild.id);
        return { status: 200, body: shown(invite, guild, false) };
      },
    },
  ];
}
