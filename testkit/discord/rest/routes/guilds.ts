import { AuditLogEvent } from 'discord-api-types/v10';
import type { SimulatedGuild } from '../../world/guild.ts';
import { approximateCounts, guildObject } from '../../world/guild-object.ts';
import { FormErrors } from '../errors.ts';
import { createLookup } from '../lookup.ts';
import { hasFlag } from '../query.ts';
import type { Route } from '../router.ts';
import type { WorldParts } from '../world-parts.ts';

const GUILD = '/guilds/:guild';
/** The fields of a guild that PATCH stores as they are. */
const FIELDS = [
  ...['region', 'verification_level', 'default_message_notifications', 'explicit_content_filter'],
  ...['afk_channel_id', 'afk_timeout', 'system_channel_id', 'system_channel_flags', 'rules_channel_id'],
  ...['public_updates_channel_id', 'safety_alerts_channel_id', 'preferred_locale', 'features', 'description'],
  'premium_progress_bar_enabled',
];
/** Uploaded images, which the guild object shows as hashes. */
const IMAGES = ['icon', 'splash', 'discovery_splash', 'banner'];

/** Routes of guilds. */
export function guildRoutes({ world, messages, audit, dispatch }: WorldParts): Route[] {
  const lookup = createLookup(world, messages);
  return [
    {
      method: 'GET',
      path: GUILD,
      auth: 'bot',
      handle(request) {
        const guild = lookup.guild(request);
        const counts = hasFlag(request.query, 'with_counts') ? approximateCounts(guild) : {};
        return { status: 200, body: { ...guildObject(guild), ...counts } };
      },
    },
    {
      method: 'PATCH',
      path: GUILD,
      auth: 'bot',
      handle(request) {
        const guild = lookup.guild(request);
        const before = guildObject(guild);
        edit(guild, request.json);
        world.keep(guild);
        audit.add(guild.id, AuditLogEvent.GuildUpdate, guild.id, request.reason, { before, after: guildObject(guild) });
        dispatch('GUILD_UPDATE', guildObject(guild), guild.id);
        return { status: 200, body: guildObject(guild) };
      },
    },
    {
      method: 'GET',
      path: `${GUILD}/channels`,
      auth: 'bot',
      handle: (request) => ({ status: 200, body: lookup.guild(request).channels }),
    },
  ];
}

/** @throws DiscordError 50035 */
function edit(guild: SimulatedGuild, json: unknown): void {
  const body = (json ?? {}) as Record<string, unknown>;
  const errors = new FormErrors();
  if (body.name !== undefined) errors.text('name', body.name, 2, 100);
  errors.throwIfAny();
  if (typeof body.name === 'string') guild.name = body.name;
  for (const name of FIELDS) if (body[name] !== undefined) guild.settings[name] = body[name];
  for (const name of IMAGES)
    if (body[name] !== undefined) guild.settings[name] = body[name] === null ? null : 'simulated';
}
