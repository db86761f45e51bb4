import { ChannelType } from 'discord-api-types/v10';
import type { InteractionResult } from '../interactions/result.ts';
import { summarize } from '../interactions/result.ts';
import type { DiscordSimulator } from '../simulator.ts';
import { type GuildChannel, isForum } from '../world/channel.ts';
import type { SimulatedGuild } from '../world/guild.ts';
import { mayUseCommand } from '../world/permissions.ts';
import { clusterRoutes } from './cluster-routes.ts';
import { type Fields, fieldsOf } from './fields.ts';
import type { RecentInteractions } from './recent-interactions.ts';
import { troubleRoutes } from './trouble-routes.ts';

/** Rejects a request of the page with a status and a message. */
export class ConsoleRefusal extends Error {
  override readonly name = 'ConsoleRefusal';
  readonly status: 400 | 403 | 404;

  constructor(status: 400 | 403 | 404, message: string) {
    super(message);
    this.status = status;
  }
}

interface ConsoleRequest {
  /** The snowflake in the path. */
  readonly id: string;
  readonly query: URLSearchParams;
  readonly body: Readonly<Record<string, unknown>>;
}

/** The body of a response, sent as JSON. */
export type ConsoleReply = unknown;
export type ConsoleRoutes = Readonly<Record<string, (request: ConsoleRequest) => ConsoleReply>>;

/** The routes of the console's API by method and path; `:id` is a snowflake. console-api.ts documents them. */
export function consoleRoutes(simulator: DiscordSimulator, recent: RecentInteractions): ConsoleRoutes {
  const { world, interactions } = simulator;
  const guildOf = (id: string): SimulatedGuild => {
    const guild = world.guild(id);
    if (guild === undefined) throw new ConsoleRefusal(404, `no guild ${id}`);
    return guild;
  };
  return {
    'GET /info': () => info(simulator),
    'GET /guilds': ({ query }) => guildList(simulator, query),
    'GET /guilds/:id': ({ id }) => guildView(guildOf(id)),
    'GET /guilds/:id/commands': ({ id, query }) => {
      const guild = guildOf(id);
      const userId = query.get('user') ?? guild.ownerId;
      return simulator.commands.available(id).map((command) => ({
        ...command,
        permitted: mayUseCommand(guild, userId, command.default_member_permissions),
      }));
    },
    'GET /direct': ({ query }) => directView(simulator, query.get('user') ?? (world.people[0] as string)),
    'GET /channels/:id/messages': ({ id, query }) => {
      const limit = Math.min(200, Number(query.get('limit') ?? 50) || 50);
      return simulator.messages.list(id, query.get('user') ?? '', { limit }).reverse();
    },
    'POST /messages': ({ body }) => {
      const fields = fieldsOf(body);
      const content = fields.text('content');
      if (content.trim() === '') throw new ConsoleRefusal(400, 'the message is empty: content must have text');
      return simulator.events.messageCreate({ ...place(fields), content });
    },
    'POST /commands': async ({ body }) => {
      const fields = fieldsOf(body);
      const input = { ...place(fields), name: fields.text('name'), type: (fields.number('type') ?? 1) as 1 | 2 | 3 };
      requirePermission(simulator, input);
      const targetId = fields.optional('targetId');
      return replyView(await interactions.command({ ...input, options: fields.options('options'), targetId }));
    },
    'POST /autocomplete': async ({ body }) => {
      const fields = fieldsOf(body);
      const typed = { name: fields.text('name'), options: fields.options('options'), focused: fields.text('focused') };
      return replyView(await interactions.autocomplete({ ...place(fields), ...typed }));
    },
    'POST /components': async ({ body }) => {
      const fields = fieldsOf(body);
      const used = {
        messageId: fields.text('messageId'),
        customId: fields.text('customId'),
        values: fields.texts('values'),
      };
      return replyView(await interactions.component({ ...place(fields), ...used }));
    },
    'POST /modals': async ({ body }) => {
      const fields = fieldsOf(body);
      const filled = { customId: fields.text('customId'), fields: fields.record('fields') };
      return replyView(await interactions.modalSubmit({ ...place(fields), ...filled }));
    },
    'POST /raw': async ({ body }) => {
      const headers = body.headers as Record<string, string> | undefined;
      return replyView(await interactions.raw(body.payload, headers === undefined ? {} : { headers }));
    },
    'GET /interactions': () => recent.list(),
    ...clusterRoutes(simulator),
    ...troubleRoutes(simulator, () => info(simulator)),
  };
}

function place(fields: Fields) {
  return {
    guildId: fields.nullable('guildId'),
    channelId: fields.optional('channelId'),
    userId: fields.optional('userId'),
  };
}

function requirePermission(
  { world, commands }: DiscordSimulator,
  { guildId, userId, type, name }: { guildId: string | null; userId?: string | undefined; type: number; name: string },
): void {
  const command = commands.find(guildId, type, name);
  const guild = guildId === null ? undefined : world.guild(guildId);
  if (command === undefined) throw new ConsoleRefusal(404, `no command ${name} is registered`);
  if (guild !== undefined && !mayUseCommand(guild, userId ?? guild.ownerId, command.default_member_permissions)) {
    throw new ConsoleRefusal(403, `this user may not use ${name}`);
  }
}

function info(simulator: DiscordSimulator): object {
  const { applicationId, publicKey, apiUrl, interactionsUrl, eventWebhookUrl, world } = simulator;
  return {
    applicationId,
    publicKey,
    apiUrl,
    interactionsUrl,
    eventWebhookUrl,
    bot: world.bot,
    guilds: world.guilds.size,
  };
}

function guildList({ world }: DiscordSimulator, query: URLSearchParams): object {
  const limit = Math.min(200, Number(query.get('limit') ?? 100) || 100);
  const offset = Number(query.get('offset') ?? 0) || 0;
  const wanted = (query.get('query') ?? '').toLowerCase();
  const view = ({ id, name, members }: SimulatedGuild) => ({ id, name, memberCount: members.size });
  if (wanted === '') {
    const page = world.guilds.ids.slice(offset, offset + limit);
    return { total: world.guilds.size, guilds: page.map((id) => view(world.guild(id) as SimulatedGuild)) };
  }
  const found: SimulatedGuild[] = [];
  for (const guild of world.guilds) {
    if (guild.id.includes(wanted) || guild.name.toLowerCase().includes(wanted)) found.push(guild);
  }
  return { total: found.length, guilds: found.slice(offset, offset + limit).map(view) };
}

function guildView(guild: SimulatedGuild): object {
  const roleOf = (id: string) => {
    if (id === guild.ownerId) return 'owner';
    if (guild.adminIds.includes(id)) return 'admin';
    return guild.moderatorIds.includes(id) ? 'moderator' : 'member';
  };
  return {
    id: guild.id,
    name: guild.name,
    channels: [...guild.channels, ...guild.threads].filter(isWritable).map(({ id, name }) => ({ id, name })),
    users: [...guild.members.values()]
      .filter(({ user }) => user.bot !== true)
      .map(({ user: { id, username, global_name } }) => ({
        id,
        username,
        displayName: global_name ?? username,
        role: roleOf(id),
      })),
  };
}

/** Users do not write into categories and forums themselves. */
const isWritable = (channel: GuildChannel): boolean => channel.type !== ChannelType.GuildCategory && !isForum(channel);

function directView({ world }: DiscordSimulator, userId: string): object {
  const { id, username, global_name } = world.user(userId);
  return {
    id: null,
    name: 'Direct messages',
    channels: [{ id: world.directChannel(userId).id, name: `with ${world.bot.username}` }],
    users: [{ id, username, displayName: global_name ?? username, role: 'member' }],
  };
}

function replyView(result: InteractionResult): object {
  const data = result.response !== null && 'data' in result.response ? (result.response.data ?? null) : null;
  return {
    ...summarize(result),
    message: result.message ?? null,
    modal: result.responseType === 9 ? data : null,
    choices: result.responseType === 8 ? ((data as { choices?: unknown } | null)?.choices ?? []) : null,
  };
}
