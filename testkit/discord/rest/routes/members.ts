import { type APIGuildMember, AuditLogEvent, PermissionFlagsBits as P } from 'discord-api-types/v10';
import { removeMember, updateMember } from '../../actions/members.ts';
import { changeVoice } from '../../actions/voice.ts';
import { isVoice } from '../../world/channel.ts';
import type { SimulatedGuild } from '../../world/guild.ts';
import { channelPermissions, memberPermissions } from '../../world/permissions.ts';
import { DiscordError, FormErrors } from '../errors.ts';
import { requireAboveMember, requireAssignable } from '../hierarchy.ts';
import { createLookup } from '../lookup.ts';
import { pageLimit } from '../query.ts';
import type { RestRequest, Route } from '../router.ts';
import type { WorldParts } from '../world-parts.ts';

const MEMBERS = '/guilds/:guild/members';
const MEMBER = `${MEMBERS}/:user`;
const MAX_TIMEOUT_MS = 28 * 86_400_000;

interface MemberBody {
  readonly nick?: string | null;
  readonly roles?: string[] | null;
  readonly mute?: boolean | null;
  readonly deaf?: boolean | null;
  readonly channel_id?: string | null;
  readonly communication_disabled_until?: string | null;
  readonly flags?: number | null;
}

/** Routes of a guild's members: fetching, editing, kicking, and their roles. */
export function memberRoutes(parts: WorldParts): Route[] {
  const { world, messages, audit } = parts;
  const lookup = createLookup(world, messages);
  const botId = world.bot.id;
  const memberOf = (request: RestRequest): { guild: SimulatedGuild; member: APIGuildMember; userId: string } => {
    const guild = lookup.guild(request);
    const userId = request.params.user === '@me' ? botId : (request.params.user ?? '');
    const member = guild.members.get(userId);
    if (member === undefined) throw new DiscordError(404, 10007);
    return { guild, member, userId };
  };
  const sorted = (guild: SimulatedGuild): APIGuildMember[] =>
    [...guild.members.values()].sort((a, b) => (BigInt(a.user.id) < BigInt(b.user.id) ? -1 : 1));
  return [
    {
      method: 'GET',
      path: MEMBERS,
      auth: 'bot',
      handle(request) {
        const after = BigInt(request.query.get('after') ?? '0');
        const found = sorted(lookup.guild(request)).filter(({ user }) => BigInt(user.id) > after);
        return { status: 200, body: found.slice(0, pageLimit(request.query, 1000, 1)) };
      },
    },
    {
      method: 'GET',
      path: `${MEMBERS}/search`,
      auth: 'bot',
      handle(request) {
        const prefix = (request.query.get('query') ?? '').toLowerCase();
        const fits = ({ user, nick }: APIGuildMember): boolean =>
          [user.username, nick ?? ''].some((name) => name.toLowerCase().startsWith(prefix));
        const found = sorted(lookup.guild(request)).filter(fits);
        return { status: 200, body: found.slice(0, pageLimit(request.query, 1000, 1)) };
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
        const body = (request.json ?? {}) as MemberBody;
        checkChange(guild, botId, member, body);
        const { mute, deaf, channel_id, ...fields } = body;
        if (mute !== undefined || deaf !== undefined || channel_id !== undefined) {
          editVoice(parts, guild, userId, body);
          recordVoice(audit, guild, userId, body, request.reason);
        }
        if (Object.keys(fields).length === 0) return { status: 200, body: member };
        const changed: APIGuildMember = {
          ...member,
          nick: fields.nick === undefined ? (member.nick ?? null) : fields.nick || null,
          roles: fields.roles ?? member.roles,
          flags: fields.flags ?? member.flags,
          communication_disabled_until:
            fields.communication_disabled_until === undefined
              ? (member.communication_disabled_until ?? null)
              : fields.communication_disabled_until,
        };
        record(audit, guild, member, changed, request.reason);
        return { status: 200, body: updateMember(parts, guild, changed) };
      },
    },
    {
      method: 'DELETE',
      path: MEMBER,
      auth: 'bot',
      handle(request) {
        const { guild, userId } = memberOf(request);
        requireAboveMember(guild, botId, userId);
        audit.add(guild.id, AuditLogEvent.MemberKick, userId, request.reason);
        removeMember(parts, guild, userId);
        return { status: 204 };
      },
    },
    ...(['PUT', 'DELETE'] as const).map(
      (method): Route => ({
        method,
        path: `${MEMBER}/roles/:role`,
        auth: 'bot',
        handle(request) {
          const { guild, member } = memberOf(request);
          const role = guild.roles.find(({ id }) => id === request.params.role);
          if (role === undefined) throw new DiscordError(404, 10011);
          requireAssignable(guild, botId, role);
          if (member.roles.includes(role.id) === (method === 'PUT')) return { status: 204 };
          const others = member.roles.filter((id) => id !== role.id);
          const changed = { ...member, roles: method === 'PUT' ? [...others, role.id] : others };
          record(audit, guild, member, changed, request.reason);
          updateMember(parts, guild, changed);
          return { status: 204 };
        },
      }),
    ),
  ];
}

/** Records the change of a member. Discord has an entry of its own for roles. */
function record(
  audit: WorldParts['audit'],
  guild: SimulatedGuild,
  before: APIGuildMember,
  after: APIGuildMember,
  reason: string | null,
): void {
  const userId = before.user.id;
  const { roles: had, ...old } = before;
  const { roles: has, ...now } = after;
  const named = (ids: readonly string[]) =>
    guild.roles.filter(({ id }) => ids.includes(id)).map(({ id, name }) => ({ id, name }));
  const changes = [
    { key: '$add', new_value: named(has.filter((id) => !had.includes(id))) },
    { key: '$remove', new_value: named(had.filter((id) => !has.includes(id))) },
  ].filter(({ new_value }) => new_value.length > 0);
  if (changes.length > 0) audit.add(guild.id, AuditLogEvent.MemberRoleUpdate, userId, reason, { changes });
  if (changes.length > 0 && JSON.stringify(old) === JSON.stringify(now)) return;
  audit.add(guild.id, AuditLogEvent.MemberUpdate, userId, reason, { before: old, after: now });
}

/** Checks the form of a change and the hierarchy. @throws DiscordError 10011, 50013, 50035 */
function checkChange(guild: SimulatedGuild, botId: string, member: APIGuildMember, body: MemberBody): void {
  const userId = member.user.id;
  const errors = new FormErrors();
  if (body.nick) errors.text('nick', body.nick, 1, 32);
  const until = body.communication_disabled_until;
  if (typeof until === 'string' && !(Date.parse(until) - Date.now() <= MAX_TIMEOUT_MS)) {
    errors.add('communication_disabled_until', 'GUILD_COMMUNICATION_DISABLED_LIMIT', 'Must be at most 28 days ahead.');
  }
  errors.throwIfAny();
  if (until !== undefined || (body.nick !== undefined && userId !== botId)) requireAboveMember(guild, botId, userId);
  if (typeof until === 'string' && (memberPermissions(guild, userId) & P.Administrator) !== 0n) {
    throw new DiscordError(403, 50013);
  }
  const wanted = body.roles ?? member.roles;
  const changed = [...wanted, ...member.roles].filter((id) => wanted.includes(id) !== member.roles.includes(id));
  for (const id of changed) {
    const role = guild.roles.find((one) => one.id === id);
    if (role === undefined) throw new DiscordError(404, 10011);
    requireAssignable(guild, botId, role);
  }
}

/** Discord counts moved and disconnected members instead of naming them. */
function recordVoice(
  audit: WorldParts['audit'],
  guild: SimulatedGuild,
  userId: string,
  { mute, deaf, channel_id: to }: MemberBody,
  reason: string | null,
): void {
  if (mute !== undefined || deaf !== undefined) {
    audit.add(guild.id, AuditLogEvent.MemberUpdate, userId, reason, { after: { mute, deaf } });
  }
  if (to === null) audit.add(guild.id, AuditLogEvent.MemberDisconnect, null, reason, { options: { count: '1' } });
  else if (to !== undefined)
    audit.add(guild.id, AuditLogEvent.MemberMove, null, reason, { options: { channel_id: to, count: '1' } });
}

/** Mutes, deafens, moves or disconnects a member who is in a voice channel. @throws DiscordError 40032, 50013 */
function editVoice(parts: WorldParts, guild: SimulatedGuild, userId: string, body: MemberBody): void {
  if (!guild.voice.has(userId)) throw new DiscordError(400, 40032);
  const { mute, deaf, channel_id } = body;
  if (channel_id !== undefined && channel_id !== null) {
    const channel = guild.channels.find(({ id }) => id === channel_id);
    if (channel === undefined || !isVoice(channel)) throw new DiscordError(404, 10003);
    const granted = channelPermissions(guild, parts.world.bot.id, channel);
    if ((granted & P.Connect) === 0n) throw new DiscordError(403, 50013);
  }
  changeVoice(parts, guild, userId, {
    ...(typeof mute === 'boolean' ? { mute } : {}),
    ...(typeof deaf === 'boolean' ? { deaf } : {}),
    ...(channel_id === undefined ? {} : { channel_id }),
  });
}
