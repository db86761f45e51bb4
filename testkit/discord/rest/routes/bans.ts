import { AuditLogEvent } from 'discord-api-types/v10';
import { removeMember } from '../../actions/members.ts';
import { snowflakeTime } from '../../snowflake.ts';
import type { SimulatedGuild } from '../../world/guild.ts';
import { DiscordError } from '../errors.ts';
import { requireAboveMember } from '../hierarchy.ts';
import { createLookup } from '../lookup.ts';
import { pageLimit } from '../query.ts';
import type { Route } from '../router.ts';
import type { WorldParts } from '../world-parts.ts';
import { deleteMessages } from './messages.ts';

const BANS = '/guilds/:guild/bans';

/** Routes of bans. */
export function banRoutes(parts: WorldParts): Route[] {
  const { world, messages, audit, dispatch } = parts;
  const lookup = createLookup(world, messages);
  const ban = (reason: string | null, userId: string): object => ({ reason, user: world.user(userId) });
  return [
    {
      method: 'GET',
      path: BANS,
      auth: 'bot',
      handle(request) {
        const { query } = request;
        const [before, after] = [query.get('before'), query.get('after')];
        const limit = pageLimit(query, 1000, 1000);
        const sorted = [...lookup.guild(request).bans].sort(([a], [b]) => (BigInt(a) < BigInt(b) ? -1 : 1));
        const fit = sorted.filter(
          ([id]) => (before === null || BigInt(id) < BigInt(before)) && (after === null || BigInt(id) > BigInt(after)),
        );
        const page = before === null ? fit.slice(0, limit) : fit.slice(-limit);
        return { status: 200, body: page.map(([id, reason]) => ban(reason, id)) };
      },
    },
    {
      method: 'GET',
      path: `${BANS}/:user`,
      auth: 'bot',
      handle(request) {
        const userId = request.params.user ?? '';
        const reason = lookup.guild(request).bans.get(userId);
        if (reason === undefined) throw new DiscordError(404, 10026);
        return { status: 200, body: ban(reason, userId) };
      },
    },
    {
      method: 'PUT',
      path: `${BANS}/:user`,
      auth: 'bot',
      handle(request) {
        const guild = lookup.guild(request);
        const userId = request.params.user ?? '';
        requireAboveMember(guild, world.bot.id, userId);
        const user = world.user(userId);
        world.keep(guild);
        guild.bans.set(userId, request.reason);
        const body = (request.json ?? {}) as { delete_message_seconds?: number; delete_message_days?: number };
        const seconds = body.delete_message_seconds ?? (body.delete_message_days ?? 0) * 86_400;
        if (seconds > 0) deleteRecent(parts, guild, userId, seconds);
        removeMember(parts, guild, userId);
        audit.add(guild.id, AuditLogEvent.MemberBanAdd, userId, request.reason);
        dispatch('GUILD_BAN_ADD', { guild_id: guild.id, user }, guild.id);
        return { status: 204 };
      },
    },
    {
      method: 'DELETE',
      path: `${BANS}/:user`,
      auth: 'bot',
      handle(request) {
        const guild = lookup.guild(request);
        const userId = request.params.user ?? '';
        if (!guild.bans.delete(userId)) throw new DiscordError(404, 10026);
        audit.add(guild.id, AuditLogEvent.MemberBanRemove, userId, request.reason);
        dispatch('GUILD_BAN_REMOVE', { guild_id: guild.id, user: world.user(userId) }, guild.id);
        return { status: 204 };
      },
    },
  ];
}

/** Deletes a user's messages of the last `seconds` in every channel. */
function deleteRecent(parts: WorldParts, guild: SimulatedGuild, userId: string, seconds: number): void {
  const since = Date.now() - seconds * 1000;
  for (const { id } of [...guild.channels, ...guild.threads]) {
    const theirs = parts.messages
      .all(id)
      .filter(({ message }) => message.author.id === userId && snowflakeTime(message.id) >= since);
    deleteMessages(
      parts,
      id,
      guild.id,
      theirs.map(({ message }) => message.id),
    );
  }
}
