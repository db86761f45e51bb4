import { type APIRole, AuditLogEvent } from 'discord-api-types/v10';
import { createRole, type SimulatedGuild } from '../../world/guild.ts';
import { DiscordError } from '../errors.ts';
import { requireAboveRole, requireOwnPermissions, requireSameOrderAbove } from '../hierarchy.ts';
import { createLookup } from '../lookup.ts';
import type { RestRequest, Route } from '../router.ts';
import type { WorldParts } from '../world-parts.ts';

const ROLES = '/guilds/:guild/roles';
const MAX_ROLES = 250;
const FIELDS = ['name', 'permissions', 'color', 'colors', 'hoist', 'icon', 'unicode_emoji', 'mentionable'];

/** Routes of roles and their order. */
export function roleRoutes({ ids, world, messages, audit, dispatch }: WorldParts): Route[] {
  const lookup = createLookup(world, messages);
  const roleOf = (guild: SimulatedGuild, request: RestRequest): APIRole => {
    const role = guild.roles.find(({ id }) => id === request.params.role);
    if (role === undefined) throw new DiscordError(404, 10011);
    return role;
  };
  const changed = (guild: SimulatedGuild, role: APIRole): APIRole => {
    world.keep(guild);
    dispatch('GUILD_ROLE_UPDATE', { guild_id: guild.id, role }, guild.id);
    return role;
  };
  return [
    {
      method: 'GET',
      path: ROLES,
      auth: 'bot',
      handle: (request) => ({ status: 200, body: lookup.guild(request).roles }),
    },
    {
      method: 'GET',
      path: `${ROLES}/:role`,
      auth: 'bot',
      handle: (request) => ({ status: 200, body: roleOf(lookup.guild(request), request) }),
    },
    {
      method: 'POST',
      path: ROLES,
      auth: 'bot',
      handle(request) {
        const guild = lookup.guild(request);
        const everyone = guild.roles.find(({ id }) => id === guild.id);
        if (guild.roles.length >= MAX_ROLES) throw new DiscordError(400, 30005);
        const fields = roleFields(request.json);
        if (fields.permissions !== undefined) requireOwnPermissions(guild, world.bot.id, fields.permissions);
        // The lowest: of roles with the same position, the older ones are above.
        const role = createRole(ids.next(), 'new role', BigInt(everyone?.permissions ?? 0), 1);
        guild.roles.push(Object.assign(role, fields));
        world.keep(guild);
        audit.add(guild.id, AuditLogEvent.RoleCreate, role.id, request.reason, { after: role });
        dispatch('GUILD_ROLE_CREATE', { guild_id: guild.id, role }, guild.id);
        return { status: 200, body: role };
      },
    },
    {
      method: 'PATCH',
      path: ROLES,
      auth: 'bot',
      handle(request) {
        const guild = lookup.guild(request);
        const moves = new Map<string, number>();
        for (const { id, position } of (request.json ?? []) as { id: string; position?: number | null }[]) {
          if (!guild.roles.some((one) => one.id === id)) throw new DiscordError(404, 10011);
          if (typeof position === 'number') moves.set(id, position);
        }
        requireSameOrderAbove(guild, world.bot.id, moves);
        for (const role of guild.roles) {
          const position = moves.get(role.id) ?? role.position;
          if (position === role.position) continue;
          role.position = position;
          changed(guild, role);
        }
        return { status: 200, body: guild.roles };
      },
    },
    {
      method: 'PATCH',
      path: `${ROLES}/:role`,
      auth: 'bot',
      handle(request) {
        const guild = lookup.guild(request);
        const role = roleOf(guild, request);
        const fields = roleFields(request.json);
        if (role.id !== guild.id) requireAboveRole(guild, world.bot.id, role);
        if (fields.permissions !== undefined) requireOwnPermissions(guild, world.bot.id, fields.permissions);
        const before = { ...role };
        Object.assign(role, fields);
        audit.add(guild.id, AuditLogEvent.RoleUpdate, role.id, request.reason, { before, after: role });
        return { status: 200, body: changed(guild, role) };
      },
    },
    {
      method: 'DELETE',
      path: `${ROLES}/:role`,
      auth: 'bot',
      handle(request) {
        const guild = lookup.guild(request);
        const role = roleOf(guild, request);
        if (role.id === guild.id || role.managed) throw new DiscordError(400, 50028);
        requireAboveRole(guild, world.bot.id, role);
        guild.roles.splice(guild.roles.indexOf(role), 1);
        for (const [userId, member] of guild.members) {
          if (!member.roles.includes(role.id)) continue;
          guild.members.set(userId, { ...member, roles: member.roles.filter((id) => id !== role.id) });
        }
        world.keep(guild);
        audit.add(guild.id, AuditLogEvent.RoleDelete, role.id, request.reason, { before: role });
        dispatch('GUILD_ROLE_DELETE', { guild_id: guild.id, role_id: role.id }, guild.id);
        return { status: 204 };
      },
    },
  ];
}

function roleFields(json: unknown): Partial<APIRole> {
  const body = (json ?? {}) as Record<string, unknown>;
  const fields: Record<string, unknown> = {};
  for (const name of FIELDS) if (body[name] !== undefined && body[name] !== null) fields[name] = body[name];
  if (fields.permissions !== undefined) fields.permissions = String(fields.permissions);
  const color = body.color ?? (body.colors as { primary_color?: number } | undefined)?.primary_color;
  if (typeof color === 'number') {
    fields.color = color;
    fields.colors ??= { primary_color: color, secondary_color: null, tertiary_color: null };
  }
  return fields as Partial<APIRole>;
}
