import type { APIMessage } from 'discord-api-types/v10';

/** A message, and who can see it. */
export interface StoredMessage {
  message: APIMessage;
  readonly channelId: string;
  readonly guildId: string | null;
  /** The one user who sees an ephemeral message; null: everybody. */
  readonly visibleTo: string | null;
}

export type MessageChange = 'create' | 'update' | 'delete';

export interface MessagePage {
  readonly limit?: number | undefined;
  readonly before?: string | undefined;
  readonly after?: string | undefined;
}

const MAX_MESSAGES = 200_000;

/** Messages by id and by channel. Bounded: in a channel and over all, the oldest go first. */
export class MessageStore {
  readonly #perChannel: number;
  readonly #onChange: (change: MessageChange, stored: StoredMessage) => void;
  readonly #byId = new Map<string, StoredMessage>();
  readonly #channels = new Map<string, Map<string, StoredMessage>>();

  /** @param onChange called after each change, before the caller gets the result */
  constructor(perChannel: number, onChange: (change: MessageChange, stored: StoredMessage) => void) {
    this.#perChannel = perChannel;
    this.#onChange = onChange;
  }

  get size(): number {
    return this.#byId.size;
  }

  get(messageId: string): StoredMessage | undefined {
    return this.#byId.get(messageId);
  }

  add(stored: StoredMessage): StoredMessage {
    let channel = this.#channels.get(stored.channelId);
    if (channel === undefined) {
      channel = new Map();
      this.#channels.set(stored.channelId, channel);
    }
    if (channel.size >= this.#perChannel) this.#forget(channel.values().next().value as StoredMessage);
    if (this.#byId.size >= MAX_MESSAGES) this.#forget(this.#byId.values().next().value as StoredMessage);
    channel.set(stored.message.id, stored);
    this.#byId.set(stored.message.id, stored);
    this.#onChange('create', stored);
    return stored;
  }

  replace(stored: StoredMessage, message: APIMessage): void {
    stored.message = message;
    this.#onChange('update', stored);
  }

  delete(messageId: string): boolean {
    const stored = this.forget(messageId);
    if (stored !== undefined) this.#onChange('delete', stored);
    return stored !== undefined;
  }

  /** Deletes without telling anybody: for a bulk deletion, which is told as one event. */
  forget(messageId: string): StoredMessage | undefined {
    const stored = this.#byId.get(messageId);
    if (stored !== undefined) this.#forget(stored);
    return stored;
  }

  /**
   * Messages of a channel that `viewer` can see, newest first, as Discord lists them.
   * @param viewer a user's id
   */
  list(channelId: string, viewer: string, page: MessagePage = {}): APIMessage[] {
    const channel = this.#channels.get(channelId);
    if (channel === undefined) return [];
    const limit = page.limit ?? 50;
    const before = page.before === undefined ? null : BigInt(page.before);
    const after = page.after === undefined ? null : BigInt(page.after);
    let found: APIMessage[] = [];
    for (const { message, visibleTo } of channel.values()) {
      if (visibleTo !== null && visibleTo !== viewer) continue;
      if (before !== null && BigInt(message.id) >= before) continue;
      if (after !== null && BigInt(message.id) <= after) continue;
      found.push(message);
    }
    // With `after` the page begins at that message, otherwise it ends with the newest.
    found = after === null ? found.slice(-limit) : found.slice(0, limit);
    return found.reverse();
  }

  /** Every message of a channel, oldest first, whoever can see it. */
  all(channelId: string): readonly StoredMessage[] {
    return [...(this.#channels.get(channelId)?.values() ?? [])];
  }

  #forget(stored: StoredMessage): void {
    this.#byId.delete(stored.message.id);
    const channel = this.#channels.get(stored.channelId);
    channel?.delete(stored.message.id);
    if (channel?.size === 0) this.#channels.delete(stored.channelId);
  }
}
