import { type APIUser, PermissionFlagsBits as P } from 'discord-api-types/v10';
import type { MessageBody } from '../../store/message-builder.ts';
import type { StoredMessage } from '../../store/messages.ts';
import { type StoredWebhook, WebhookStore } from '../../store/webhooks.ts';
import { requireInChannel } from '../access.ts';
import { DiscordError, FormErrors } from '../errors.ts';
import { createLookup } from '../lookup.ts';
import { hasFlag } from '../query.ts';
import type { RestReply, RestRequest, Route } from '../router.ts';
import { validateMessage } from '../validate-message.ts';
import type { WorldParts } from '../world-parts.ts';

const WEBHOOK = '/webhooks/:webhook';
const WITH_TOKEN = `${WEBHOOK}/:token`;
const MESSAGE = `${WITH_TOKEN}/messages/:message`;

/**
 * Routes of channel webhooks and their messages.
 * @param interactions the routes of interactions, which use webhook paths with the application's id
 */
export function webhookRoutes(parts: WorldParts, applicationId: string, interactions: readonly Route[]): Route[] {
  const { ids, world, messages, builder, dispatch } = parts;
  const lookup = createLookup(world, messages);
  const webhooks = new WebhookStore();
  const webhookOf = ({ params }: RestRequest): StoredWebhook => {
    const webhook = webhooks.get(params.webhook ?? '');
    if (webhook === undefined) throw new DiscordError(404, 10015);
    if (params.token === undefined) requireInChannel(world, webhook.channelId, P.ManageWebhooks);
    else if (params.token !== webhook.token) throw new DiscordError(401, 50027);
    return webhook;
  };
  const shown = ({ id, token, guildId, channelId, name, avatar }: StoredWebhook, withUser: boolean): object => ({
    ...{ id, type: 1, guild_id: guildId, channel_id: channelId, name, avatar, token },
    application_id: applicationId,
    url: `https://discord.com/api/webhooks/${id}/${token}`,
    ...(withUser ? { user: world.bot } : {}),
  });
  const changed = ({ guildId, channelId }: StoredWebhook): void => {
    dispatch('WEBHOOKS_UPDATE', { guild_id: guildId, channel_id: channelId }, guildId);
  };
  const messageOf = (request: RestRequest): StoredMessage => {
    const webhook = webhookOf(request);
    const stored = messages.get(request.params.message ?? '');
    if (stored?.message.webhook_id !== webhook.id) throw new DiscordError(404, 10008);
    return stored;
  };
  const channelIdOf = (request: RestRequest, webhook: StoredWebhook): string => {
    const thread = request.query.get('thread_id');
    if (thread === null) return webhook.channelId;
    const found = world.channel(thread);
    if (found === undefined || !('parent_id' in found) || found.parent_id !== webhook.channelId) {
      throw new DiscordError(404, 10003);
    }
    return found.id;
  };
  const execute = (request: RestRequest): RestReply => {
    const webhook = webhookOf(request);
    const channelId = channelIdOf(request, webhook);
    const { json, files } = request;
    const body = validateMessage(json, { edited: null, files: files.length });
    const stored = messages.add({
      message: builder.build({
        ...{ id: ids.next(), channelId, body, files },
        author: authorOf(webhook, body),
        extra: { webhook_id: webhook.id, application_id: applicationId },
      }),
      ...{ channelId, guildId: webhook.guildId, visibleTo: null },
    });
    return hasFlag(request.query, 'wait') ? { status: 200, body: stored.message } : { status: 204 };
  };
  const edit = (request: RestRequest): RestReply => {
    const stored = messageOf(request);
    const body = validateMessage(request.json, { edited: stored.message, files: request.files.length });
    messages.replace(stored, builder.edit(stored.message, body, request.files));
    return { status: 200, body: stored.message };
  };
  const manage = (path: string, auth: 'bot' | 'token'): Route[] => [
    {
      method: 'GET',
      path,
      auth,
      handle: (request) => ({ status: 200, body: shown(webhookOf(request), auth === 'bot') }),
    },
    {
      method: 'PATCH',
      path,
      auth,
      handle(request) {
        const webhook = webhookOf(request);
        Object.assign(webhook, changesOf(request.json));
        changed(webhook);
        return { status: 200, body: shown(webhook, auth === 'bot') };
      },
    },
    {
      method: 'DELETE',
      path,
      auth,
      handle(request) {
        const webhook = webhookOf(request);
        webhooks.delete(webhook.id);
        changed(webhook);
        return { status: 204 };
      },
    },
  ];
  const own: Route[] = [
    {
      method: 'POST',
      path: '/channels/:channel/webhooks',
      auth: 'bot',
      handle(request) {
        const { channel, guild } = lookup.guildChannel(request);
        const { name, avatar = null } = changesOf(request.json, true);
        const place = { guildId: guild.id, channelId: channel.id };
        const webhook = webhooks.add({ id: ids.next(), ...place, name: name ?? '', avatar });
        changed(webhook);
        return { status: 200, body: shown(webhook, true) };
      },
    },
    {
      method: 'GET',
      path: '/channels/:channel/webhooks',
      auth: 'bot',
      handle(request) {
        const { channel, guild } = lookup.guildChannel(request);
        return { status: 200, body: webhooks.of(guild.id, channel.id).map((one) => shown(one, true)) };
      },
    },
    {
      method: 'GET',
      path: '/guilds/:guild/webhooks',
      auth: 'bot',
      handle: (request) => ({
        status: 200,
        body: webhooks.of(lookup.guild(request).id, null).map((one) => shown(one, true)),
      }),
    },
    ...manage(WEBHOOK, 'bot'),
    ...manage(WITH_TOKEN, 'token'),
    {
      method: 'POST',
      path: WITH_TOKEN,
      auth: 'token',
      limit: { limit: 5, windowMs: 2000, by: 'token' },
      handle: execute,
    },
    {
      method: 'GET',
      path: MESSAGE,
      auth: 'token',
      handle: (request) => ({ status: 200, body: messageOf(request).message }),
    },
    { method: 'PATCH', path: MESSAGE, auth: 'token', handle: edit },
    {
      method: 'DELETE',
      path: MESSAGE,
      auth: 'token',
      handle(request) {
        messages.delete(messageOf(request).message.id);
        return { status: 204 };
      },
    },
  ];
  return [...own, ...interactions].filter(firstOfPath()).map((route) => {
    const other = interactions.find(({ method, path }) => method === route.method && path === route.path);
    if (other === undefined || other === route) return route;
    const chosen = (request: RestRequest): Route => (request.params.webhook === applicationId ? other : route);
    return {
      ...route,
      ...(other.limit ? { limit: other.limit } : {}),
      handle: (request) => chosen(request).handle(request),
    };
  });
}

/** Drops routes with the same method and path. */
function firstOfPath(): (route: Route) => boolean {
  const seen = new Set<string>();
  return ({ method, path }) => {
    const key = `${method} ${path}`;
    const isFirst = !seen.has(key);
    seen.add(key);
    return isFirst;
  };
}

function changesOf(json: unknown, isNew = false): Partial<Pick<StoredWebhook, 'name' | 'avatar' | 'channelId'>> {
  const body = (json ?? {}) as { name?: string; avatar?: string | null; channel_id?: string };
  const errors = new FormErrors();
  if (isNew || body.name !== undefined) errors.text('name', body.name, 1, 80);
  errors.throwIfAny();
  return {
    ...(body.name === undefined ? {} : { name: body.name }),
    // An image that is uploaded as a data URI gets its own hash.
    ...(body.avatar === undefined ? {} : { avatar: body.avatar === null ? null : 'a_simulated_avatar' }),
    ...(body.channel_id === undefined ? {} : { channelId: body.channel_id }),
  };
}

/** The author of a webhook message, which can override the webhook's name and avatar. */
function authorOf({ id, name, avatar }: StoredWebhook, body: MessageBody): APIUser {
  const { username = name, avatar_url: url } = body as { username?: string; avatar_url?: string };
  return {
    id,
    username,
    avatar: url === undefined ? avatar : 'simulated',
    discriminator: '0000',
    global_name: null,
    bot: true,
    public_flags: 0 as never,
  };
}
