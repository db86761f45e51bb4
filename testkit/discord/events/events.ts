import type { Gateway } from '../gateway/gateway.ts';
import { react, unreact } from '../rest/routes/reactions.ts';
import type { Dispatch } from '../rest/world-parts.ts';
import type { SnowflakeSource } from '../snowflake.ts';
import type { MessageBuilder } from '../store/message-builder.ts';
import type { MessageStore, StoredMessage } from '../store/messages.ts';
import { parseEmoji } from '../store/reactions.ts';
import { createMember, type SimulatedGuild } from '../world/guild.ts';
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
  readonly gateway: Gateway;
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
    react(this.#here, this.#message(messageId), parseEmoji(emoji), userId);
  }

  /** A user removes a reaction. @throws Error if the message does not exist */
  reactionRemove(messageId: string, userId: string, emoji: string): void {
    unreact(this.#here, this.#message(messageId), parseEmoji(emoji), userId);
  }

  /** A user joins a guild. @throws Error if the bot is not in the guild */
  memberJoin(guildId: string, userId: string): void {
    const guild = this.#guild(guildId);
    const member = createMember(userId, [], new Date().toISOString());
    this.#parts.world.keep(guild);
    guild.members.set(userId, member);
    this.dispatch('GUILD_MEMBER_ADD', { ...member, guild_id: guildId }, guildId);
  }

  /** A user leaves a guild. @throws Error if the bot is not in the guild */
  memberLeave(guildId: string, userId: string): void {
    const guild = this.#guild(guildId);
    this.#parts.world.keep(guild);
    if (!guild.members.delete(userId)) return;
    const user = this.#parts.world.user(userId);
    this.dispatch('GUILD_MEMBER_REMOVE', { guild_id: guildId, user }, guildId);
  }

  get #here() {
    const dispatch: Dispatch = (name, data, guildId) => this.dispatch(name, data, guildId);
    return { world: this.#parts.world, dispatch };
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
