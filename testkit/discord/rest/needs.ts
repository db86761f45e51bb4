import { ChannelType, PermissionFlagsBits as P } from 'discord-api-types/v10';
import type { MessageStore } from '../store/messages.ts';
import { type GuildChannel, isForum, isThread } from '../world/channel.ts';
import type { World } from '../world/world.ts';
import type { RestRequest } from './router.ts';

/** What the permissions of a route can depend on. */
export interface Scene {
  readonly world: World;
  readonly messages: MessageStore;
  readonly request: Omit<RestRequest, 'granted'>;
  /** The channel in the path; null for routes of guilds. */
  readonly channel: GuildChannel | null;
}

/** Permissions of which all are needed, or a list of alternatives. */
export type Needed = bigint | readonly bigint[];
type Needs = Needed | ((scene: Scene) => Needed);

const NOTHING = 0n;
/** All emojis and stickers of the simulator are the bot's own. */
const OWN_EXPRESSION: Needed = [P.CreateGuildExpressions, P.ManageGuildExpressions];
const MESSAGE = '/channels/:channel/messages/:message';
const REACTIONS = `${MESSAGE}/reactions`;
const PINS = ['/channels/:channel/messages/pins/:message', '/channels/:channel/pins/:message'];

/**
 * The permissions that the bot needs for each route, in the guild or channel of its path. Each route of a channel also needs
 * ViewChannel. What the hierarchy of roles forbids is in hierarchy.ts. Source: "Requires the … permission" in Discord's reference.
 */
export const NEEDS: Readonly<Record<string, Needs>> = {
  'GET /guilds/:guild': NOTHING,
  'PATCH /guilds/:guild': (scene) => (togglesCommunity(scene) ? P.Administrator : P.ManageGuild),
  'GET /guilds/:guild/channels': NOTHING,
  'POST /guilds/:guild/channels': P.ManageChannels,
  'PATCH /guilds/:guild/channels': P.ManageChannels,
  'GET /guilds/:guild/members': NOTHING,
  'GET /guilds/:guild/members/search': NOTHING,
  'GET /guilds/:guild/members/:user': NOTHING,
  'PATCH /guilds/:guild/members/:user': memberChange,
  'DELETE /guilds/:guild/members/:user': P.KickMembers,
  'PUT /guilds/:guild/members/:user/roles/:role': P.ManageRoles,
  'DELETE /guilds/:guild/members/:user/roles/:role': P.ManageRoles,
  'GET /guilds/:guild/roles': NOTHING,
  'GET /guilds/:guild/roles/:role': NOTHING,
  'POST /guilds/:guild/roles': P.ManageRoles,
  'PATCH /guilds/:guild/roles': P.ManageRoles,
  'PATCH /guilds/:guild/roles/:role': P.ManageRoles,
  'DELETE /guilds/:guild/roles/:role': P.ManageRoles,
  'GET /guilds/:guild/bans': P.BanMembers,
  'GET /guilds/:guild/bans/:user': P.BanMembers,
  'PUT /guilds/:guild/bans/:user': P.BanMembers,
  'DELETE /guilds/:guild/bans/:user': P.BanMembers,
  'GET /guilds/:guild/audit-logs': P.ViewAuditLog,
  'GET /guilds/:guild/emojis': NOTHING,
  'GET /guilds/:guild/emojis/:emoji': NOTHING,
  'POST /guilds/:guild/emojis': P.CreateGuildExpressions,
  'PATCH /guilds/:guild/emojis/:emoji': OWN_EXPRESSION,
  'DELETE /guilds/:guild/emojis/:emoji': OWN_EXPRESSION,
  'GET /guilds/:guild/stickers': NOTHING,
  'GET /guilds/:guild/stickers/:sticker': NOTHING,
  'POST /guilds/:guild/stickers': P.CreateGuildExpressions,
  'PATCH /guilds/:guild/stickers/:sticker': OWN_EXPRESSION,
  'DELETE /guilds/:guild/stickers/:sticker': OWN_EXPRESSION,
  'GET /guilds/:guild/invites': [P.ManageGuild, P.ViewAuditLog],
  'GET /guilds/:guild/webhooks': P.ManageWebhooks,
  'GET /guilds/:guild/threads/active': NOTHING,
  'GET /guilds/:guild/voice-states/:user': NOTHING,
  'PATCH /guilds/:guild/voice-states/:user': speaking,

  'GET /channels/:channel': NOTHING,
  'PATCH /channels/:channel': channelChange,
  'DELETE /channels/:channel': ({ channel }) => (inThread(channel) ? P.ManageThreads : P.ManageChannels),
  'PUT /channels/:channel/permissions/:overwrite': P.ManageRoles,
  'DELETE /channels/:channel/permissions/:overwrite': P.ManageRoles,
  'GET /channels/:channel/messages': NOTHING,
  'POST /channels/:channel/messages': write,
  'POST /channels/:channel/typing': write,
  [`GET ${MESSAGE}`]: P.ReadMessageHistory,
  [`PATCH ${MESSAGE}`]: ofOthers(P.ManageMessages),
  [`DELETE ${MESSAGE}`]: ofOthers(P.ManageMessages),
  [`POST ${MESSAGE}/crosspost`]: (scene) => P.SendMessages | ofOthers(P.ManageMessages)(scene),
  'POST /channels/:channel/messages/bulk-delete': P.ManageMessages,
  [`PUT ${REACTIONS}/:emoji/@me`]: react,
  [`DELETE ${REACTIONS}/:emoji/:user`]: ({ request }) => (request.params.user === '@me' ? NOTHING : P.ManageMessages),
  [`GET ${REACTIONS}/:emoji`]: P.ReadMessageHistory,
  [`DELETE ${REACTIONS}/:emoji`]: P.ManageMessages,
  [`DELETE ${REACTIONS}`]: P.ManageMessages,
  ...Object.fromEntries(PINS.flatMap((path) => [`PUT ${path}`, `DELETE ${path}`]).map((name) => [name, P.PinMessages])),
  'GET /channels/:channel/pins': NOTHING,
  'GET /channels/:channel/messages/pins': NOTHING,
  [`POST ${MESSAGE}/threads`]: P.CreatePublicThreads,
  'POST /channels/:channel/threads': openThread,
  'GET /channels/:channel/threads/archived/public': P.ReadMessageHistory,
  'GET /channels/:channel/threads/archived/private': P.ReadMessageHistory | P.ManageThreads,
  'GET /channels/:channel/thread-members': NOTHING,
  'GET /channels/:channel/thread-members/:user': NOTHING,
  'PUT /channels/:channel/thread-members/:user': ({ request }) =>
    request.params.user === '@me' ? NOTHING : P.SendMessagesInThreads,
  'DELETE /channels/:channel/thread-members/:user': removeFromThread,
  'GET /channels/:channel/invites': P.ManageChannels,
  'POST /channels/:channel/invites': P.CreateInstantInvite,
  'GET /channels/:channel/webhooks': P.ManageWebhooks,
  'POST /channels/:channel/webhooks': P.ManageWebhooks,
};

const inThread = (channel: GuildChannel | null): boolean => channel !== null && isThread(channel);

const given = ({ request }: Scene): Readonly<Record<string, unknown>> =>
  (request.json ?? {}) as Record<string, unknown>;

function togglesCommunity(scene: Scene): boolean {
  const { features } = given(scene);
  if (!Array.isArray(features)) return false;
  const before = scene.world.guild(scene.request.params.guild ?? '')?.settings.features;
  return features.includes('COMMUNITY') !== (Array.isArray(before) && before.includes('COMMUNITY'));
}

/** Everyone who can write may reopen a thread that is not locked. Its owner may rename, archive and reopen it. */
function channelChange(scene: Scene): bigint {
  const { channel } = scene;
  const body = given(scene);
  if (channel === null || !isThread(channel)) {
    return P.ManageChannels | (body.permission_overwrites === undefined ? NOTHING : P.ManageRoles);
  }
  const names = Object.keys(body).filter((name) => body[name] !== undefined);
  const isOnly = (allowed: readonly string[]): boolean => names.every((name) => allowed.includes(name));
  if (body.archived === false && !channel.thread_metadata.locked && isOnly(['archived']))
    return P.SendMessagesInThreads;
  const isOwner = channel.owner_id === scene.world.bot.id;
  return isOwner && isOnly(['name', 'archived', 'auto_archive_duration', 'applied_tags']) ? NOTHING : P.ManageThreads;
}

/** The owner of a private thread may remove others. */
function removeFromThread({ channel, request, world }: Scene): bigint {
  const isOwner = channel !== null && isThread(channel) && channel.owner_id === world.bot.id;
  const isOwnPrivate = isOwner && channel.type === ChannelType.PrivateThread;
  return request.params.user === '@me' || isOwnPrivate ? NOTHING : P.ManageThreads;
}

/** Each field of a member needs a permission of its own. */
function memberChange(scene: Scene): bigint {
  const { params } = scene.request;
  const isSelf = params.user === '@me' || params.user === scene.world.bot.id;
  const needed: Readonly<Record<string, bigint>> = {
    nick: isSelf ? P.ChangeNickname : P.ManageNicknames,
    roles: P.ManageRoles,
    communication_disabled_until: P.ModerateMembers,
    mute: P.MuteMembers,
    deaf: P.DeafenMembers,
    channel_id: P.MoveMembers,
    flags: P.ModerateMembers,
  };
  return Object.keys(given(scene)).reduce((all, name) => all | (needed[name] ?? NOTHING), NOTHING);
}

/** To suppress others, or to speak without being asked, needs MuteMembers. */
function speaking(scene: Scene): bigint {
  const { suppress, request_to_speak_timestamp: asks } = given(scene);
  const forOthers = scene.request.params.user !== '@me';
  const needed = forOthers || suppress === false ? P.MuteMembers : NOTHING;
  return typeof asks === 'string' ? needed | P.RequestToSpeak : needed;
}

function write({ channel }: Scene): bigint {
  return inThread(channel) ? P.SendMessagesInThreads : P.SendMessages;
}

/** A bot may edit and delete its own messages without a permission. */
function ofOthers(needed: bigint): (scene: Scene) => bigint {
  return ({ world, messages, request }) => {
    const author = messages.get(request.params.message ?? '')?.message.author.id;
    return author === undefined || author === world.bot.id ? NOTHING : needed;
  };
}

/** Only the first reaction with an emoji needs AddReactions. */
function react({ messages, request }: Scene): bigint {
  const emoji = request.params.emoji ?? '';
  const key = /:(\d{1,20})$/.exec(emoji)?.[1] ?? emoji;
  const exists = messages.get(request.params.message ?? '')?.reactions?.has(key) === true;
  return exists ? P.ReadMessageHistory : P.ReadMessageHistory | P.AddReactions;
}

function openThread(scene: Scene): bigint {
  if (scene.channel !== null && isForum(scene.channel)) return P.SendMessages;
  const type = given(scene).type ?? ChannelType.PrivateThread;
  return type === ChannelType.PrivateThread ? P.CreatePrivateThreads : P.CreatePublicThreads;
}
