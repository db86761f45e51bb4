import type { Gateway } from '../gateway/gateway.ts';
import type { SnowflakeSource } from '../snowflake.ts';
import type { MessageBuilder } from '../store/message-builder.ts';
import type { MessageStore } from '../store/messages.ts';
import type { World } from '../world/world.ts';
import type { WebhookDelivery, WebhookEvents } from './webhook-events.ts';

export interface MessageInput {
  /** Null: a direct message to the bot. */
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

/** What happens in guilds without an interaction, and reaches the application by the gateway or by event webhooks. */
export class Events {
  readonly #parts: EventsParts;

  constructor(parts: EventsParts) {
    this.#parts = parts;
  }

  /** Somebody writes a message. @returns its id */
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

  /**
   * Sends any gateway event to the sessions of its shard whose intents ask for it.
   * @returns how many sessions got it
   */
  dispatch(name: string, data: object, guildId: string | null): number {
    return this.#parts.gateway.sessions.deliver(name, guildId, JSON.stringify(data));
  }

  /** Posts an event webhook, such as `ENTITLEMENT_CREATE`. @returns when it was acknowledged, or given up */
  webhook(type: string, data?: unknown): Promise<WebhookDelivery> {
    return this.#parts.webhooks.send(type, data);
  }

  /** Sends the event webhook's PING. @returns whether it was acknowledged */
  webhookPing(): Promise<boolean> {
    return this.#parts.webhooks.ping();
  }
}
