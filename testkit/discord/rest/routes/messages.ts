import { type APIMessage, AuditLogEvent, PermissionFlagsBits as P } from 'discord-api-types/v10';
import { snowflakeTime } from '../../snowflake.ts';
import type { UploadedFile } from '../../store/files.ts';
import type { MessageBody } from '../../store/message-builder.ts';
import type { MessageStore } from '../../store/messages.ts';
import { isForum, isThread, type ThreadChannel } from '../../world/channel.ts';
import type { SimulatedChannel, World } from '../../world/world.ts';
import { requireAll } from '../access.ts';
import { DiscordError, FormErrors } from '../errors.ts';
import { createLookup, guildIdOf, placeOf } from '../lookup.ts';
import { pageLimit } from '../query.ts';
import type { RestRequest, Route, RouteLimit } from '../router.ts';
import { validateMessage } from '../validate-message.ts';
import type { WorldParts } from '../world-parts.ts';

const BY_CHANNEL: RouteLimit = { limit: 5, windowMs: 5000, by: 'channel' };
const MESSAGES = '/channels/:channel/messages';
const TWO_WEEKS_MS = 14 * 86_400_000;
const SUPPRESS_EMBEDS = 4;
const CROSSPOSTED = 1;

/** Routes of messages in channels and threads. */
export function messageRoutes(parts: WorldParts): Route[] {
  const { world, messages, builder, audit, dispatch } = parts;
  const lookup = createLookup(world, messages);
  return [
    {
      method: 'GET',
      path: MESSAGES,
      auth: 'bot',
      handle(request) {
        const { query } = request;
        const at = (name: string): string | undefined => query.get(name) ?? undefined;
        const page = { before: at('before'), after: at('after'), around: at('around') };
        const found = { ...page, limit: pageLimit(query, 100, 50) };
        // Without the permission Discord returns an empty list instead of an error.
        if ((request.granted & P.ReadMessageHistory) === 0n) return { status: 200, body: [] };
        return { status: 200, body: messages.list(lookup.channel(request).id, world.bot.id, found) };
      },
    },
    {
      method: 'POST',
      path: MESSAGES,
      auth: 'bot',
      limit: BY_CHANNEL,
      handle: (request) => ({
        status: 200,
        body: postMessage(parts, lookup.channel(request), request),
      }),
    },
    {
      method: 'GET',
      path: `${MESSAGES}/:message`,
      auth: 'bot',
      handle: (request) => ({ status: 200, body: lookup.message(request).message }),
    },
    {
      method: 'PATCH',
      path: `${MESSAGES}/:message`,
      auth: 'bot',
      limit: BY_CHANNEL,
      handle(request) {
        const stored = lookup.message(request);
        const { json, files } = request;
        refuseArchived(lookup.channel(request));
        const body = validateMessage(json, { edited: stored.message, files: files.length });
        if (stored.message.author.id !== world.bot.id) requireOnlyFlags(body, files);
        messages.replace(stored, builder.edit(stored.message, body, files));
        return { status: 200, body: stored.message };
      },
    },
    {
      method: 'DELETE',
      path: `${MESSAGES}/:message`,
      auth: 'bot',
      limit: BY_CHANNEL,
      handle(request) {
        const { message, guildId } = lookup.message(request);
        messages.delete(message.id);
        if (guildId !== null && message.author.id !== world.bot.id) {
          const options = { channel_id: message.channel_id, count: '1' };
          audit.add(guildId, AuditLogEvent.MessageDelete, message.author.id, request.reason, { options });
        }
        return { status: 204 };
      },
    },
    {
      method: 'POST',
      path: `${MESSAGES}/:message/crosspost`,
      auth: 'bot',
      handle(request) {
        const stored = lookup.message(request);
        messages.replace(stored, { ...stored.message, flags: (stored.message.flags ?? 0) | CROSSPOSTED });
        return { status: 200, body: stored.message };
      },
    },
    {
      method: 'POST',
      path: `${MESSAGES}/bulk-delete`,
      auth: 'bot',
      handle(request) {
        const channel = lookup.channel(request);
        const wanted = (request.json as { messages?: string[] } | undefined)?.messages ?? [];
        if (wanted.length < 2 || wanted.length > 100) throw new DiscordError(400, 50016);
        if (wanted.some((id) => Date.now() - snowflakeTime(id) > TWO_WEEKS_MS)) throw new DiscordError(400, 50034);
        deleteMessages(parts, channel.id, guildIdOf(channel), wanted);
        return { status: 204 };
      },
    },
    {
      method: 'POST',
      path: '/channels/:channel/typing',
      auth: 'bot',
      handle(request) {
        const channel = lookup.channel(request);
        const timestamp = Math.floor(Date.now() / 1000);
        const guildId = guildIdOf(channel);
        const place = { channel_id: channel.id, ...placeOf(guildId) };
        dispatch('TYPING_START', { ...place, user_id: world.bot.id, timestamp }, guildId);
        return { status: 204 };
      },
    },
  ];
}

/** Posts a message of the bot. @throws DiscordError if Discord would refuse it */
export function postMessage(
  parts: WorldParts,
  channel: SimulatedChannel,
  { json, files, granted }: Pick<RestRequest, 'json' | 'files' | 'granted'>,
  id = parts.ids.next(),
): APIMessage {
  const { world, messages, builder } = parts;
  if (isForum(channel)) throw new DiscordError(400, 40058);
  if (isClosed(world, channel)) throw new DiscordError(403, 50007);
  refuseArchived(channel);
  const body = validateMessage(json, { edited: null, files: files.length });
  requireContent(granted, body, files);
  const again = sameNonce(messages, channel.id, body);
  if (again !== undefined) return again;
  const referenced = referencedBy(messages, body);
  const { message_reference: _, ...withoutReference } = body;
  const kept = referenced === null && body.message_reference !== undefined ? withoutReference : body;
  const { message } = messages.add({
    message: builder.build({
      ...{ id, channelId: channel.id, author: world.bot, files, referenced },
      body: { ...kept, flags: (body.flags ?? 0) & ~64 },
      mayMentionEveryone: (granted & P.MentionEveryone) !== 0n,
      extra: body.nonce === undefined ? undefined : { nonce: body.nonce },
    }),
    ...{ channelId: channel.id, guildId: guildIdOf(channel), visibleTo: null },
  });
  if (isThread(channel)) reopen(parts, channel);
  return message;
}

/** @throws DiscordError 50013, 160002 */
function requireContent(granted: bigint, body: MessageBody, files: readonly UploadedFile[]): void {
  if (body.tts === true) requireAll(granted, P.SendTTSMessages);
  if (files.length > 0) requireAll(granted, P.AttachFiles);
  if ((body.embeds?.length ?? 0) > 0) requireAll(granted, P.EmbedLinks);
  const replies = body.message_reference !== undefined && body.message_reference.type !== 1;
  if (replies && (granted & P.ReadMessageHistory) === 0n) throw new DiscordError(403, 160002);
}

/** A message reopens an archived thread. */
function reopen({ world, dispatch }: WorldParts, thread: ThreadChannel): void {
  const guild = world.guild(thread.guild_id);
  if (!thread.thread_metadata.archived || guild === undefined) return;
  world.keep(guild);
  thread.thread_metadata = { ...thread.thread_metadata, archived: false, archive_timestamp: new Date().toISOString() };
  dispatch('THREAD_UPDATE', thread, guild.id);
}

/** Deletes messages of a channel with one event for all. */
export function deleteMessages(
  { messages, dispatch }: Pick<WorldParts, 'messages' | 'dispatch'>,
  channelId: string,
  guildId: string | null,
  ids: readonly string[],
): void {
  const found = ids.filter((id) => messages.get(id)?.channelId === channelId);
  if (found.length === 0) return;
  for (const id of found) messages.delete(id, 'bulk-delete');
  dispatch('MESSAGE_DELETE_BULK', { ids: found, channel_id: channelId, ...placeOf(guildId) }, guildId);
}

const isClosed = (world: World, channel: SimulatedChannel): boolean =>
  'recipients' in channel && channel.recipients?.some(({ id }) => world.closedToDirectMessages.has(id)) === true;

function refuseArchived(channel: SimulatedChannel): void {
  if (isThread(channel) && channel.thread_metadata.archived && channel.thread_metadata.locked) {
    throw new DiscordError(400, 50083);
  }
}

/** A bot may only suppress the embeds of another user's message. @throws DiscordError 50005 for other changes */
function requireOnlyFlags(body: MessageBody, files: readonly UploadedFile[]): void {
  const { flags, ...rest } = body;
  const only = Object.values(rest).every((value) => value === undefined) && files.length === 0;
  if (!only || flags === undefined || flags === null || (flags & ~SUPPRESS_EMBEDS) !== 0)
    throw new DiscordError(403, 50005);
}

/** The earlier message with the same nonce, if the body has `enforce_nonce`. */
function sameNonce(
  messages: MessageStore,
  channelId: string,
  { nonce, enforce_nonce }: MessageBody,
): APIMessage | undefined {
  if (enforce_nonce !== true || nonce === undefined) return undefined;
  return messages.all(channelId).find(({ message }) => message.nonce === nonce)?.message;
}

/** @throws DiscordError 50035 if the message does not exist, unless `fail_if_not_exists` is false */
function referencedBy(messages: MessageStore, { message_reference: reference }: MessageBody): APIMessage | null {
  if (reference === undefined) return null;
  const found = messages.get(reference.message_id)?.message ?? null;
  if (found !== null || reference.fail_if_not_exists === false) return found;
  const errors = new FormErrors();
  errors.add('message_reference', 'REPLIES_UNKNOWN_MESSAGE', 'Unknown message');
  errors.throwIfAny();
  return null;
}
