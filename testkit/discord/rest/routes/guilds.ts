import { type APIGuildMember, AuditLogEvent } from 'discord-api-types/v10';
import type { SimulatedGuild } from '../../world/guild.ts';
import { approximateCounts, guildObject } from '../../world/guild-object.ts';
import { DiscordError } from '../errors.ts';
import type { RestRequest, Route } from '../router.ts';
import type { WorldParts } from '../world-parts.ts';

const GUILD = '/guilds/:guild';
const MEMBER = `${GUILD}/members/:user`;
const MAX_TIMEOUT_MS = 28 * 86_400_000;

/** Routes of guilds, their members, and moderation. */
export function guildRoutes({ world, audit, dispatch }: WorldParts): Route[] {
  const guildOf = ({ params }: RestRequest): SimulatedGuild => {
    const guild = world.guild(params.guild ?? '');
    if (guild === undefined) throw new DiscordError(404, 10004);
    return guild;
  };
  const memberOf = (request: RestRequest): { guild: SimulatedGuild; member: APIGuildMember; userId: string } => {
    const guild = guildOf(request);
    const userId = request.params.user === '@me' ? world.bot.id : (request.params.user ?? '');
    const member = guild.members.get(userId);
    if (member === undefined) throw new DiscordError(404, 10007);
    return { guild, member, userId };
  };
  const remove = (guild: SimulatedGuild, userId: string): void => {
    world.keep(guild);
    if (!guild.members.delete(userId)) return;
    dispatch('GUILD_MEMBER_REMOVE', { guild_id: guild.id, user: world.user(userId) }, guild.id);
  };
  const change = (guild: SimulatedGuild, userId: string, member: APIGuildMember): APIGuildMember => {
    world.keep(guild);
    guild.members.set(userId, member);
    dispatch('GUILD_MEMBER_UPDATE', { ...member, guild_id: guild.id }, guild.id);
    return member;
  };
  return [
    {
      method: 'GET',
      path: GUILD,
      auth: 'bot',
      handle(request) {
        const guild = guildOf(request);
        const counts = request.query.get('with_counts') === 'true' ? approximateCounts(guild) : {};
        return { status: 200, body: { ...guildObject(guild), ...counts } };
      },
    },
    {
      method: 'GET',
      path: `${GUILD}/channels`,
      auth: 'bot',
      handle: (request) => ({ status: 200, body: guildOf(request).channels }),
    },
    {
      method: 'GET',
      path: `${GUILD}/members`,
      auth: 'bot',
      handle(request) {
        const after = BigInt(request.query.get('after') ?? '0');
        const limit = Math.min(1000, Number(request.query.get('limit') ?? 1));
        const members = [...guildOf(request).members.values()]
          .filter(({ user }) => BigInt(user.id) > after)
          .sort((a, b) => (BigInt(a.user.id) < BigInt(b.user.id) ? -1 : 1));
        return { status: 200, body: members.slice(0, limit) };
      },
    },
    {
      method: 'GET',
      path: MEMBER,
      auth: 'bot',
      handle: (request) => ({ status: 200, body: memberOf(request).member }),
    },
    {
      method: 'PATCH',
      path: MEMBER,
      auth: 'bot',
      handle(request) {
        const { guild, member, userId } = memberOf(request);
        const body = (request.json ?? {}) as Partial<APIGuildMember>;
        const until = body.communication_disabled_until;
        if (typeof until === 'string') {
          if (userId === guild.ownerId || guild.adminIds.includes(userId)) throw new DiscordError(403, 50013);
          if (!(Date.parse(until) - Date.now() <= MAX_TIMEOUT_MS)) throw new DiscordError(400, 50035);
        }
        const { nick = member.nick ?? null, roles = member.roles } = body;
        const changed: APIGuildMember = {
          ...member,
          nick,
          roles,
          communication_disabled_until: until === undefined ? (member.communication_disabled_until ?? null) : until,
        };
        audit.add(guild.id, AuditLogEvent.MemberUpdate, userId, request.reason);
        return { status: 200, body: change(guild, userId, changed) };
      },
    },
    {
      method: 'DELETE',
      path: MEMBER,
      auth: 'bot',
      handle(request) {
        const { guild, userId } = memberOf(request);
        if (userId === guild.ownerId) throw new DiscordError(403, 50013);
        audit.add(guild.id, AuditLogEvent.MemberKick, userId, request.reason);
        remove(guild, userId);
        return { status: 204 };
      },
    },
    ...(['PUT', 'DELETE'] as const).map(
      (method): Route => ({
        method,
        path: `${MEMBER}/roles/:role`,
        auth: 'bot',
        handle(request) {
          const { guild, member, userId } = memberOf(request);
          const role = request.params.role ?? '';
          if (!guild.roles.some(({ id }) => id === role)) throw new DiscordError(404, 10011);
          const others = member.roles.filter((id) => id !== role);
          audit.add(guild.id, AuditLogEvent.MemberRoleUpdate, userId, request.reason);
          change(guild, userId, { ...member, roles: method === 'PUT' ? [...others, role] : others });
          return { status: 204 };
        },
      }),
    ),
  ];
}
