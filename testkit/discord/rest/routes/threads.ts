import { ChannelType } from 'discord-api-types/v10';
import { createChannel, type GuildChannel, isForum, isThread, type ThreadChannel } from '../../world/channel.ts';
import type { SimulatedGuild } from '../../world/guild.ts';
import { DiscordError, FormErrors } from '../errors.ts';
import { createLookup } from '../lookup.ts';
import type { RestRequest, Route } from '../router.ts';
import type { WorldParts } from '../world-parts.ts';
import { postMessage } from './messages.ts';

const HAS_THREAD = 32;
const THREADS = '/channels/:channel/threads';
const MEMBERS = '/channels/:channel/thread-members';

/** Routes of threads in channels and forums, and of their members. */
export function threadRoutes(parts: WorldParts): Route[] {
  const { ids, world, messages, dispatch } = parts;
  const lookup = createLookup(world, messages);
  const open = (guild: SimulatedGuild, parent: GuildChannel, id: string, json: unknown): ThreadChannel => {
    const body = (json ?? {}) as Record<string, unknown>;
    const errors = new FormErrors();
    errors.text('name', body.name, 1, 100);
    errors.throwIfAny();
    const isNews = parent.type === ChannelType.GuildAnnouncement;
    const type = Number(body.type ?? (isNews ? ChannelType.AnnouncementThread : ChannelType.PublicThread));
    const now = new Date().toISOString();
    const thread: ThreadChannel = {
      ...createChannel(id, guild.id, { type, name: String(body.name), parent_id: parent.id }),
      owner_id: world.bot.id,
      rate_limit_per_user: Number(body.rate_limit_per_user ?? 0),
      thread_metadata: {
        archived: false,
        auto_archive_duration: Number(body.auto_archive_duration ?? parent.default_auto_archive_duration ?? 4320),
        archive_timestamp: now,
        locked: false,
        create_timestamp: now,
        ...(type === ChannelType.PrivateThread ? { invitable: body.invitable !== false } : {}),
      },
      ...{ message_count: 0, member_count: 1, total_message_sent: 0 },
      ...(Array.isArray(body.applied_tags) ? { applied_tags: body.applied_tags as string[] } : {}),
    };
    world.addThread(guild, thread);
    guild.threadMembers.set(id, new Map([[world.bot.id, now]]));
    const data = { ...thread, newly_created: true, member: member(guild, id, world.bot.id) };
    dispatch('THREAD_CREATE', data, guild.id);
    return thread;
  };
  const member = (guild: SimulatedGuild, id: string, userId: string): object => ({
    ...{ id, user_id: userId, flags: 0 },
    join_timestamp: guild.threadMembers.get(id)?.get(userId) ?? new Date().toISOString(),
  });
  const threadOf = (request: RestRequest): { thread: ThreadChannel; guild: SimulatedGuild } => {
    const { channel, guild } = lookup.guildChannel(request);
    if (!isThread(channel)) throw new DiscordError(400, 50024);
    return { thread: channel, guild };
  };
  const userOf = ({ params }: RestRequest): string => (params.user === '@me' ? world.bot.id : (params.user ?? ''));
  const changeMember = (request: RestRequest, joins: boolean): { status: number } => {
    const { thread, guild } = threadOf(request);
    const userId = userOf(request);
    if (!guild.members.has(userId)) throw new DiscordError(404, 10013);
    const members = guild.threadMembers.get(thread.id) ?? new Map<string, string>();
    if (joins === members.has(userId)) return { status: 204 };
    world.keep(guild);
    guild.threadMembers.set(thread.id, members);
    if (joins) members.set(userId, new Date().toISOString());
    else members.delete(userId);
    thread.member_count = members.size;
    const change = joins ? { added_members: [member(guild, thread.id, userId)] } : { removed_member_ids: [userId] };
    const data = { id: thread.id, guild_id: guild.id, member_count: members.size, ...change };
    dispatch('THREAD_MEMBERS_UPDATE', data, guild.id);
    return { status: 204 };
  };
  /** The form of lists: the threads, and the bot's memberships. */
  const listed = (guild: SimulatedGuild, threads: readonly ThreadChannel[]): object => ({
    threads,
    members: threads
      .filter(({ id }) => guild.threadMembers.get(id)?.has(world.bot.id))
      .map(({ id }) => member(guild, id, world.bot.id)),
  });
  const archived = (type: 'public' | 'private') => (request: RestRequest) => {
    const { channel, guild } = lookup.guildChannel(request);
    const isPrivate = type === 'private';
    const threads = guild.threads.filter(
      (one) =>
        one.parent_id === channel.id &&
        one.thread_metadata.archived &&
        (one.type === ChannelType.PrivateThread) === isPrivate,
    );
    return { status: 200, body: { ...listed(guild, threads), has_more: false } };
  };
  return [
    {
      method: 'POST',
      path: '/channels/:channel/messages/:message/threads',
      auth: 'bot',
      handle(request) {
        const { channel, guild } = lookup.guildChannel(request);
        const stored = lookup.message(request);
        if (((stored.message.flags ?? 0) & HAS_THREAD) !== 0) throw new DiscordError(400, 160004);
        const thread = open(guild, channel, stored.message.id, request.json);
        const flags = (stored.message.flags ?? 0) | HAS_THREAD;
        messages.replace(stored, { ...stored.message, flags, thread: thread as never });
        return { status: 201, body: thread };
      },
    },
    {
      method: 'POST',
      path: THREADS,
      auth: 'bot',
      handle(request) {
        const { channel, guild } = lookup.guildChannel(request);
        const body = (request.json ?? {}) as Record<string, unknown>;
        if (!isForum(channel)) {
          const type = body.type ?? ChannelType.PrivateThread;
          return { status: 201, body: open(guild, channel, ids.next(), { ...body, type }) };
        }
        const thread = open(guild, channel, ids.next(), body);
        // A post's first message has the id of the post.
        const message = postMessage(parts, thread, { ...request, json: body.message }, thread.id);
        return { status: 201, body: { ...thread, message } };
      },
    },
    {
      method: 'GET',
      path: '/guilds/:guild/threads/active',
      auth: 'bot',
      handle(request) {
        const guild = lookup.guild(request);
        const active = guild.threads.filter(({ thread_metadata }) => !thread_metadata.archived);
        return { status: 200, body: listed(guild, active) };
      },
    },
    { method: 'GET', path: `${THREADS}/archived/public`, auth: 'bot', handle: archived('public') },
    { method: 'GET', path: `${THREADS}/archived/private`, auth: 'bot', handle: archived('private') },
    { method: 'PUT', path: `${MEMBERS}/:user`, auth: 'bot', handle: (request) => changeMember(request, true) },
    { method: 'DELETE', path: `${MEMBERS}/:user`, auth: 'bot', handle: (request) => changeMember(request, false) },
    {
      method: 'GET',
      path: MEMBERS,
      auth: 'bot',
      handle(request) {
        const { thread, guild } = threadOf(request);
        const members = [...(guild.threadMembers.get(thread.id)?.keys() ?? [])];
        return { status: 200, body: members.map((userId) => member(guild, thread.id, userId)) };
      },
    },
    {
      method: 'GET',
      path: `${MEMBERS}/:user`,
      auth: 'bot',
      handle(request) {
        const { thread, guild } = threadOf(request);
        const userId = userOf(request);
        if (guild.threadMembers.get(thread.id)?.has(userId) !== true) throw new DiscordError(404, 10007);
        return { status: 200, body: member(guild, thread.id, userId) };
      },
    },
  ];
}
