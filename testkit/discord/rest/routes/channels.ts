import type { SnowflakeSource } from '../../snowflake.ts';
import { snowflakeTime } from '../../snowflake.ts';
import type { MessageBuilder } from '../../store/message-builder.ts';
import type { MessageStore, StoredMessage } from '../../store/messages.ts';
import type { SimulatedChannel, World } from '../../world/world.ts';
import { DiscordError } from '../errors.ts';
import type { RestRequest, Route, RouteLimit } from '../router.ts';
import { validateMessage } from '../validate-message.ts';

interface Parts {
  readonly ids: SnowflakeSource;
  readonly world: World;
  readonly messages: MessageStore;
  readonly builder: MessageBuilder;
  readonly dispatch: (name: string, data: object, guildId: string | null) => number;
}

const BY_CHANNEL: RouteLimit = { limit: 5, windowMs: 5000, by: 'channel' };
const MESSAGES = '/channels/:channel/messages';
const TWO_WEEKS_MS = 14 * 86_400_000;

/** Channels and the bot's messages in them. */
export function channelRoutes({ ids, world, messages, builder, dispatch }: Parts): Route[] {
  const channelOf = ({ params }: RestRequest): SimulatedChannel => {
    const channel = world.channel(params.channel ?? '');
    if (channel === undefined) throw new DiscordError(404, 10003);
    return channel;
  };
  const messageOf = (request: RestRequest): StoredMessage => {
    const stored = messages.get(request.params.message ?? '');
    // Ephemeral messages exist for their user only; the bot reaches them by the interaction's token.
    if (stored === undefined || stored.channelId !== channelOf(request).id || stored.visibleTo !== null) {
      throw new DiscordError(404, 10008);
    }
    return stored;
  };
  return [
    {
      method: 'GET',
      path: '/channels/:channel',
      auth: 'bot',
      handle: (request) => ({ status: 200, body: channelOf(request) }),
    },
    {
      method: 'POST',
      path: '/channels/:channel/typing',
      auth: 'bot',
      handle(request) {
        channelOf(request);
        return { status: 204 };
      },
    },
    {
      method: 'GET',
      path: MESSAGES,
      auth: 'bot',
      handle(request) {
        const { query } = request;
        const page = {
          limit: Math.min(100, Number(query.get('limit') ?? 50)),
          before: query.get('before') ?? undefined,
          after: query.get('after') ?? undefined,
        };
        return { status: 200, body: messages.list(channelOf(request).id, world.bot.id, page) };
      },
    },
    {
      method: 'POST',
      path: MESSAGES,
      auth: 'bot',
      limit: BY_CHANNEL,
      handle(request) {
        const channel = channelOf(request);
        const { json, files } = request;
        const body = validateMessage(json, { edited: null, files: files.length });
        const nonce = (json as { nonce?: unknown } | undefined)?.nonce;
        const stored = messages.add({
          message: builder.build({
            id: ids.next(),
            channelId: channel.id,
            author: world.bot,
            body: { ...body, flags: (body.flags ?? 0) & ~64 },
            files,
            extra: nonce === undefined ? undefined : { nonce },
          }),
          channelId: channel.id,
          guildId: guildOf(channel),
          visibleTo: null,
        });
        return { status: 200, body: stored.message };
      },
    },
    {
      method: 'GET',
      path: `${MESSAGES}/:message`,
      auth: 'bot',
      handle: (request) => ({ status: 200, body: messageOf(request).message }),
    },
    {
      method: 'PATCH',
      path: `${MESSAGES}/:message`,
      auth: 'bot',
      limit: BY_CHANNEL,
      handle(request) {
        const stored = messageOf(request);
        if (stored.message.author.id !== world.bot.id) throw new DiscordError(403, 50005);
        const body = validateMessage(request.json, { edited: stored.message, files: request.files.length });
        messages.replace(stored, builder.edit(stored.message, body, request.files));
        return { status: 200, body: stored.message };
      },
    },
    {
      method: 'DELETE',
      path: `${MESSAGES}/:message`,
      auth: 'bot',
      limit: BY_CHANNEL,
      handle(request) {
        messages.delete(messageOf(request).message.id);
        return { status: 204 };
      },
    },
    {
      method: 'POST',
      path: `${MESSAGES}/bulk-delete`,
      auth: 'bot',
      handle(request) {
        const channel = channelOf(request);
        const wanted = (request.json as { messages?: string[] } | undefined)?.messages ?? [];
        const tooOld = wanted.some((id) => Date.now() - snowflakeTime(id) > TWO_WEEKS_MS);
        if (wanted.length < 2 || wanted.length > 100 || tooOld) throw new DiscordError(400, 50035);
        const found = wanted.filter((id) => messages.get(id)?.channelId === channel.id);
        for (const id of found) messages.delete(id, 'bulk-delete');
        const guildId = guildOf(channel);
        dispatch('MESSAGE_DELETE_BULK', { ids: found, channel_id: channel.id, guild_id: guildId }, guildId);
        return { status: 204 };
      },
    },
    {
      method: 'PUT',
      path: `${MESSAGES}/:message/reactions/:emoji/@me`,
      auth: 'bot',
      handle(request) {
        messageOf(request);
        return { status: 204 };
      },
    },
  ];
}

function guildOf(channel: SimulatedChannel): string | null {
  return 'guild_id' in channel ? (channel.guild_id ?? null) : null;
}
