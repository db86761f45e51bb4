import type { APIGuildMember } from 'discord-api-types/v10';
import { leaveGuild } from '../actions/guilds.ts';
import { useInvite } from '../actions/invites.ts';
import { addMember, removeMember, updateMember } from '../actions/members.ts';
import { react, unreact } from '../actions/reactions.ts';
import { changeVoice, type VoiceChange } from '../actions/voice.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { guildCreateFor } from '../gateway/greeting.ts';
import { guildIdOf, placeOf } from '../rest/lookup.ts';
import type { Dispatch } from '../rest/world-parts.ts';
import type { SnowflakeSource } from '../snowflake.ts';
import type { InviteStore } from '../store/invites.ts';
import type { MessageBuilder } from '../store/message-builder.ts';
import type { MessageStore, StoredMessage } from '../store/messages.ts';
import { parseEmoji } from '../store/reactions.ts';
import { guildOfFirstChannel, type SimulatedGuild } from '../world/guild.ts';
import type { Presence } from '../world/presence.ts';
import type { World } from '../world/world.ts';
import type { WebhookDelivery, WebhookEvents } from './webhook-events.ts';

export interface MessageInput {
  /** Null for a direct message to the bot. */
  readonly guildId: string | null;
  /** Default: the guild's first text channel. */
  readonly channelId?: string | undefined;
  /** Default: the guild's owner. */
  readonly userId?: string | undefined;
  readonly content: string;
}

interface EventsParts {
  readonly ids: SnowflakeSource;
  readonly world: World;
  readonly messages: MessageStore;
  readonly builder: MessageBuilder;
  readonly invites: InviteStore;
  readonly gateway: Gateway;
  readonly dispatch: Dispatch;
  readonly webhooks: WebhookEvents;
}

/** User actions that are not interactions. The application receives them over the gateway or as event webhooks. */
export class Events {
  readonly #parts: EventsParts;

  constructor(parts: EventsParts) {
    this.#parts = parts;
  }

  /** A user writes a message. @returns its id */
  messageCreate(input: MessageInput): { messageId: string } {
    const { ids, world, messages, builder } = this.#parts;
    const guild = input.guildId === null ? null : world.anyGuild(input.guildId);
    const userId = input.userId ?? guild?.ownerId ?? (world.people[0] as string);
    const author = world.user(userId);
    const channelId = input.channelId ?? guild?.channels[0]?.id ?? world.directChannel(userId).id;
    const messageId = ids.next();
    const message = builder.build({ id: messageId, channelId, author, body: { content: input.content }, files: [] });
    messages.add({ message, channelId, guildId: input.guildId, visibleTo: null });
    return { messageId };
  }

  /** A user edits a message. @throws Error if the message does not exist */
  messageEdit(messageId: string, content: string): void {
    const { messages, builder } = this.#parts;
    const stored = this.#message(messageId);
    messages.replace(stored, builder.edit(stored.message, { content }, []));
  }

  /** Deletes a message. @throws Error if the message does not exist */
  messageDelete(messageId: string): void {
    this.#parts.messages.delete(this.#message(messageId).message.id);
  }

  /** A user reacts to a message: `🔥`, or `name:id` for a custom emoji. @throws Error if the message does not exist */
  reactionAdd(messageId: string, userId: string, emoji: string): void {
    react(this.#parts, this.#message(messageId), parseEmoji(emoji), userId);
  }

  /** A user removes a reaction. @throws Error if the message does not exist */
  reactionRemove(messageId: string, userId: string, emoji: string): void {
    unreact(this.#parts, this.#message(messageId), parseEmoji(emoji), userId);
  }

  /** A user types in a channel. @throws Error if the channel does not exist */
  typing(channelId: string, userId: string): void {
    const { world, dispatch } = this.#parts;
    const channel = world.channel(channelId);
    if (channel === undefined) throw new Error(`there is no channel ${channelId}`);
    const guildId = guildIdOf(channel);
    const member = guildId === null ? undefined : world.guild(guildId)?.members.get(userId);
    const facts = { channel_id: channelId, user_id: userId, timestamp: Math.floor(Date.now() / 1000) };
    dispatch('TYPING_START', { ...facts, ...placeOf(guildId), ...(member === undefined ? {} : { member }) }, guildId);
  }

  /**
   * A user joins a guild.
   * @param inviteCode the invite that the user accepts, whose uses are counted
   * @throws Error if the bot is not in the guild, or the invite does not exist
   */
  memberJoin(guildId: string, userId: string, inviteCode?: string): void {
    const guild = this.#guild(guildId);
    if (inviteCode !== undefined) useInvite(this.#parts, guildId, inviteCode);
    addMember(this.#parts, guild, userId);
  }

  /** A user leaves a guild. @throws Error if the bot is not in the guild */
  memberLeave(guildId: string, userId: string): void {
    removeMember(this.#parts, this.#guild(guildId), userId);
  }

  /** A member changes, such as `nick`, `roles` or `premium_since`. @throws Error if the user is not a member */
  memberUpdate(guildId: string, userId: string, change: Partial<Omit<APIGuildMember, 'user'>>): void {
    const guild = this.#guild(guildId);
    const member = guild.members.get(userId);
    if (member === undefined) throw new Error(`user ${userId} is not a member of guild ${guildId}`);
    updateMember(this.#parts, guild, { ...member, ...change });
  }

  /** A user joins, moves, mutes or, with `channel_id` null, leaves a voice channel. @throws Error if the bot is not in the guild */
  voice(guildId: string, userId: string, change: VoiceChange): void {
    changeVoice(this.#parts, this.#guild(guildId), userId, change);
  }

  /** A user's presence changes in the guilds of the user and the bot. */
  presence(userId: string, presence: Presence): void {
    const { world, dispatch } = this.#parts;
    world.presences.set(userId, presence);
    for (const guild of world.guilds) {
      if (guild.members.has(userId))
        dispatch('PRESENCE_UPDATE', { ...world.presences.json(userId), guild_id: guild.id }, guild.id);
    }
  }

  /** The permissions of the bot's role change. @param permissions a bit field @throws Error if the bot is not in the guild */
  botPermissions(guildId: string, permissions: bigint): void {
    const { world, dispatch } = this.#parts;
    const guild = this.#guild(guildId);
    const role = guild.roles.find(({ tags }) => tags?.bot_id === world.bot.id);
    if (role === undefined) throw new Error(`the bot has no role of its own in guild ${guildId}`);
    world.keep(guild);
    role.permissions = permissions.toString();
    dispatch('GUILD_ROLE_UPDATE', { guild_id: guildId, role }, guildId);
  }

  /** The bot is added to a guild. @returns the new guild */
  botJoin(): SimulatedGuild {
    const { ids, world, gateway } = this.#parts;
    const guild = world.join(guildOfFirstChannel(ids.next()));
    gateway.sessions.deliverEach('GUILD_CREATE', guild.id, (session) =>
      guildCreateFor(world, guild, session.facts.intents),
    );
    return guild;
  }

  /** The bot is removed from a guild. @throws Error if the bot is not in the guild */
  botLeave(guildId: string): void {
    leaveGuild(this.#parts, this.#guild(guildId).id);
  }

  #message(messageId: string): StoredMessage {
    const stored = this.#parts.messages.get(messageId);
    if (stored === undefined) throw new Error(`there is no message ${messageId}`);
    return stored;
  }

  #guild(guildId: string): SimulatedGuild {
    const guild = this.#parts.world.guild(guildId);
    if (guild === undefined) throw new Error(`the bot is not in guild ${guildId}`);
    return guild;
  }

  /**
   * Sends any gateway event to the sessions of its shard that have the intent for it.
   * @returns the number of sessions that received it
   */
  dispatch(name: string, data: object, guildId: string | null): number {
    return this.#parts.gateway.sessions.deliver(name, guildId, JSON.stringify(data));
  }

  /** Posts an event webhook, such as `ENTITLEMENT_CREATE`. Resolves when it is acknowledged or given up. */
  webhook(type: string, data?: unknown): Promise<WebhookDelivery> {
    return this.#parts.webhooks.send(type, data);
  }

  /** Sends the event webhook's PING. @returns whether it was acknowledged */
  webhookPing(): Promise<boolean> {
    return this.#parts.webhooks.ping();
  }
}
