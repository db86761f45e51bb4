import { AuditLogEvent } from 'discord-api-types/v10';
import { emptyVoice } from '../../actions/voice.ts';
import {
  type ChannelFields,
  createChannel,
  type GuildChannel,
  isThread,
  type ThreadChannel,
} from '../../world/channel.ts';
import type { SimulatedGuild } from '../../world/guild.ts';
import type { Overwrite } from '../../world/permissions.ts';
import { DiscordError, FormErrors } from '../errors.ts';
import { requireOwnOverwrites } from '../hierarchy.ts';
import { createLookup } from '../lookup.ts';
import type { RestRequest, Route } from '../router.ts';
import type { WorldParts } from '../world-parts.ts';

const CHANNEL = '/channels/:channel';
const MAX_CHANNELS = 500;
/** The fields that PATCH may change: of a channel, and of a thread's metadata. */
const FIELDS = [
  ...[
    'name',
    'type',
    'position',
    'topic',
    'nsfw',
    'rate_limit_per_user',
    'bitrate',
    'user_limit',
    'parent_id',
    'flags',
  ],
  ...['permission_overwrites', 'rtc_region', 'default_auto_archive_duration', 'available_tags', 'applied_tags'],
  ...['default_reaction_emoji', 'default_thread_rate_limit_per_user', 'default_sort_order', 'default_forum_layout'],
  'video_quality_mode',
];
const THREAD_FIELDS = ['archived', 'locked', 'auto_archive_duration', 'invitable'];

/** Routes of guild channels, including threads, and of their permission overwrites. */
export function channelRoutes(parts: WorldParts): Route[] {
  const { ids, world, messages, audit, dispatch } = parts;
  const lookup = createLookup(world, messages);
  const changed = (guild: SimulatedGuild, channel: GuildChannel): GuildChannel => {
    world.keep(guild);
    dispatch(isThread(channel) ? 'THREAD_UPDATE' : 'CHANNEL_UPDATE', channel, guild.id);
    return channel;
  };
  return [
    {
      method: 'GET',
      path: CHANNEL,
      auth: 'bot',
      handle: (request) => ({ status: 200, body: lookup.channel(request) }),
    },
    {
      method: 'POST',
      path: '/guilds/:guild/channels',
      auth: 'bot',
      handle(request) {
        const guild = lookup.guild(request);
        if (guild.channels.length >= MAX_CHANNELS) throw new DiscordError(400, 30013);
        const fields = channelFields(guild, request.json, 'create');
        requireOwnOverwrites(guild, world.bot.id, fields.permission_overwrites ?? []);
        const position = fields.position ?? guild.channels.length;
        const channel = createChannel(ids.next(), guild.id, { ...fields, position });
        numberTags(channel, ids);
        world.addChannel(guild, channel);
        audit.add(guild.id, AuditLogEvent.ChannelCreate, channel.id, request.reason, { after: channel });
        dispatch('CHANNEL_CREATE', channel, guild.id);
        return { status: 201, body: channel };
      },
    },
    {
      method: 'PATCH',
      path: '/guilds/:guild/channels',
      auth: 'bot',
      handle(request) {
        const guild = lookup.guild(request);
        const moves = (Array.isArray(request.json) ? request.json : []) as ({ id: string } & ChannelFields)[];
        for (const move of moves) {
          const { id, position, parent_id } = move;
          const channel = guild.channels.find((one) => one.id === id);
          if (channel === undefined) throw new DiscordError(404, 10003);
          if (typeof position === 'number') channel.position = position;
          if (parent_id !== undefined) channel.parent_id = parent_id;
          if (locksPermissions(move)) copyOverwrites(guild, channel);
          changed(guild, channel);
        }
        return { status: 204 };
      },
    },
    {
      method: 'PATCH',
      path: CHANNEL,
      auth: 'bot',
      limit: { limit: 5, windowMs: 5_000, by: 'channel' },
      handle(request) {
        const { channel, guild } = lookup.guildChannel(request);
        const fields = channelFields(guild, request.json, 'edit');
        requireOpen(channel, request.json);
        requireOwnOverwrites(guild, world.bot.id, changedOverwrites(channel, fields.permission_overwrites));
        const before = { ...channel };
        Object.assign(channel, fields);
        if (locksPermissions(request.json)) copyOverwrites(guild, channel);
        numberTags(channel, ids);
        if (isThread(channel)) editThread(channel, request.json);
        const action = isThread(channel) ? AuditLogEvent.ThreadUpdate : AuditLogEvent.ChannelUpdate;
        audit.add(guild.id, action, channel.id, request.reason, { before, after: channel });
        return { status: 200, body: changed(guild, channel) };
      },
    },
    {
      method: 'DELETE',
      path: CHANNEL,
      auth: 'bot',
      handle(request) {
        const direct = lookup.channel(request);
        // Closing a direct channel only hides it.
        if (!('guild_id' in direct)) return { status: 200, body: direct };
        const { channel, guild } = lookup.guildChannel(request);
        const { id, parent_id, type } = channel;
        emptyVoice(parts, guild, id);
        world.removeChannel(guild, id);
        for (const child of guild.channels.filter((one) => one.parent_id === id)) {
          child.parent_id = null;
          changed(guild, child);
        }
        const action = isThread(channel) ? AuditLogEvent.ThreadDelete : AuditLogEvent.ChannelDelete;
        audit.add(guild.id, action, id, request.reason, { before: channel });
        if (isThread(channel)) dispatch('THREAD_DELETE', { id, guild_id: guild.id, parent_id, type }, guild.id);
        else dispatch('CHANNEL_DELETE', channel, guild.id);
        return { status: 200, body: channel };
      },
    },
    {
      method: 'PUT',
      path: `${CHANNEL}/permissions/:overwrite`,
      auth: 'bot',
      handle(request) {
        const { channel, guild } = lookup.guildChannel(request);
        const given = { ...(request.json as object), id: request.params.overwrite };
        const [overwrite] = overwritesOf(guild, [given], '');
        if (overwrite !== undefined) requireOwnOverwrites(guild, world.bot.id, [overwrite]);
        const others = channel.permission_overwrites.filter(({ id }) => id !== overwrite?.id);
        channel.permission_overwrites = [...others, ...(overwrite === undefined ? [] : [overwrite])];
        const options = overwriteFacts(guild, request);
        audit.add(guild.id, AuditLogEvent.ChannelOverwriteUpdate, channel.id, request.reason, { options });
        changed(guild, channel);
        return { status: 204 };
      },
    },
    {
      method: 'DELETE',
      path: `${CHANNEL}/permissions/:overwrite`,
      auth: 'bot',
      handle(request) {
        const { channel, guild } = lookup.guildChannel(request);
        const others = channel.permission_overwrites.filter(({ id }) => id !== request.params.overwrite);
        if (others.length === channel.permission_overwrites.length) throw new DiscordError(404, 10009);
        channel.permission_overwrites = others;
        const options = overwriteFacts(guild, request);
        audit.add(guild.id, AuditLogEvent.ChannelOverwriteDelete, channel.id, request.reason, { options });
        changed(guild, channel);
        return { status: 204 };
      },
    },
  ];
}

/** An archived thread only changes when it is opened again. @throws DiscordError 50083 */
function requireOpen(channel: GuildChannel, json: unknown): void {
  const opens = (json as { archived?: unknown } | undefined)?.archived === false;
  if (isThread(channel) && channel.thread_metadata.archived && !opens) throw new DiscordError(400, 50083);
}

/** The overwrites that the channel does not have yet. Clients send the present ones along. */
function changedOverwrites(
  { permission_overwrites: present }: GuildChannel,
  given: readonly Overwrite[] = [],
): Overwrite[] {
  const isPresent = ({ id, allow, deny }: Overwrite): boolean =>
    present.some((one) => one.id === id && one.allow === allow && one.deny === deny);
  return given.filter((overwrite) => !isPresent(overwrite));
}

const locksPermissions = (body: unknown): boolean =>
  (body as { lock_permissions?: unknown } | null | undefined)?.lock_permissions === true;

/** A channel that locks its permissions takes those of its category. */
function copyOverwrites({ channels }: SimulatedGuild, channel: GuildChannel): void {
  const parent = channels.find(({ id }) => id === channel.parent_id);
  if (parent !== undefined) channel.permission_overwrites = structuredClone(parent.permission_overwrites);
}

/** Gives new tags of a forum their ids. */
function numberTags(channel: GuildChannel, ids: WorldParts['ids']): void {
  if (channel.available_tags === undefined) return;
  channel.available_tags = channel.available_tags.map((tag) => ({
    ...{ moderated: false, emoji_id: null, emoji_name: null },
    ...tag,
    id: tag.id ?? ids.next(),
  }));
}

/** The role or member of an overwrite, in the form of the audit log. */
function overwriteFacts({ roles }: SimulatedGuild, { params }: RestRequest): Record<string, string> {
  const id = params.overwrite ?? '';
  const role = roles.find((one) => one.id === id);
  return role === undefined ? { id, type: '1' } : { id, type: '0', role_name: role.name };
}

/** Validates a body. @returns the channel's fields @throws DiscordError 50035 */
function channelFields(guild: SimulatedGuild, json: unknown, what: 'create' | 'edit'): ChannelFields {
  const body = (json ?? {}) as Record<string, unknown>;
  const errors = new FormErrors();
  if (what === 'create' || body.name !== undefined) errors.text('name', body.name, 1, 100);
  if (body.topic !== undefined && body.topic !== null) errors.text('topic', body.topic, 0, 4096);
  const parent = body.parent_id;
  if (typeof parent === 'string' && !guild.channels.some(({ id, type }) => id === parent && type === 4)) {
    errors.add('parent_id', 'CHANNEL_PARENT_INVALID', 'Category does not exist');
  }
  errors.throwIfAny();
  const fields: Record<string, unknown> = {};
  for (const name of FIELDS) if (body[name] !== undefined) fields[name] = body[name];
  if (fields.permission_overwrites !== undefined) {
    fields.permission_overwrites = overwritesOf(guild, fields.permission_overwrites, 'permission_overwrites.');
  }
  return fields as ChannelFields;
}

/** Overwrites with all fields. @throws DiscordError 50035 for an id that is not a role or a member */
function overwritesOf(guild: SimulatedGuild, value: unknown, at: string): Overwrite[] {
  const errors = new FormErrors(at);
  const list = (Array.isArray(value) ? value : []) as Partial<Overwrite & { type: number }>[];
  const overwrites = list.map(({ id = '', type, allow, deny }, index) => {
    const isRole = guild.roles.some((role) => role.id === id);
    if (!isRole && type !== 1) errors.add(String(index), 'CHANNEL_OVERWRITE_INVALID', 'Unknown role or member');
    return { id, type: type ?? (isRole ? 0 : 1), allow: String(allow ?? '0'), deny: String(deny ?? '0') };
  });
  errors.throwIfAny();
  return overwrites;
}

function editThread(thread: ThreadChannel, json: unknown): void {
  const body = (json ?? {}) as Record<string, unknown>;
  const given = THREAD_FIELDS.filter((name) => body[name] !== undefined).map((name) => [name, body[name]]);
  if (given.length === 0) return;
  const before = thread.thread_metadata;
  const after = { ...before, ...Object.fromEntries(given) } as ThreadChannel['thread_metadata'];
  if (after.archived !== before.archived) after.archive_timestamp = new Date().toISOString();
  thread.thread_metadata = after;
}
