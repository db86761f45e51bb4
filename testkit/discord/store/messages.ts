import type { APIMessage } from 'discord-api-types/v10';
import { Fifo } from './fifo.ts';
import type { Reactions } from './reactions.ts';

/** A message and its visibility. */
export interface StoredMessage {
  message: APIMessage;
  readonly channelId: string;
  readonly guildId: string | null;
  /** The user who sees an ephemeral message; null if all users see it. */
  readonly visibleTo: string | null;
  /** By emoji; see reactions.ts. */
  reactions?: Reactions;
}

/** `bulk-delete` is reported for each message. The application gets one event. */
export type MessageChange = 'create' | 'update' | 'delete' | 'bulk-delete';

export interface MessagePage {
  readonly limit?: number | undefined;
  readonly before?: string | undefined;
  readonly after?: string | undefined;
  readonly around?: string | undefined;
}

const MAX_MESSAGES = 50_000;

/** Messages by id and by channel. Bounded per channel and in total; drops the oldest. */
export class MessageStore {
  readonly #perChannel: number;
  readonly #onChange: (change: MessageChange, stored: StoredMessage) => void;
  readonly #byId = new Map<string, StoredMessage>();
  /** All messages in insertion order, including some that were deleted since. */
  readonly #order = new Fifo<StoredMessage>();
  /** Oldest first. */
  readonly #channels = new Map<string, StoredMessage[]>();

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
    const channel = this.#channels.get(stored.channelId);
    if (channel === undefined) {
      this.#channels.set(stored.channelId, [stored]);
    } else {
      if (channel.length >= this.#perChannel) this.#byId.delete((channel.shift() as StoredMessage).message.id);
      channel.push(stored);
    }
    this.#byId.set(stored.message.id, stored);
    this.#order.push(stored);
    while (this.#order.size > MAX_MESSAGES) this.#forget(this.#order.shift() as StoredMessage);
    this.#onChange('create', stored);
    return stored;
  }

  replace(stored: StoredMessage, message: APIMessage): void {
    stored.message = message;
    this.#onChange('update', stored);
  }

  delete(messageId: string, change: 'delete' | 'bulk-delete' = 'delete'): boolean {
    const stored = this.#byId.get(messageId);
    if (stored === undefined) return false;
    this.#forget(stored);
    this.#onChange(change, stored);
    return true;
  }

  /**
   * Messages of a channel that `viewer` can see, newest first, as Discord lists them.
   * @param viewer a user's id
   */
  list(channelId: string, viewer: string, page: MessagePage = {}): APIMessage[] {
    const channel = this.#channels.get(channelId);
    if (channel === undefined) return [];
    const limit = page.limit ?? 50;
    if (page.around !== undefined) return this.#around(channelId, viewer, page.around, limit);
    const before = page.before === undefined ? null : BigInt(page.before);
    const after = page.after === undefined ? null : BigInt(page.after);
    let found: APIMessage[] = [];
    for (const { message, visibleTo } of channel) {
      if (visibleTo !== null && visibleTo !== viewer) continue;
      if (before !== null && BigInt(message.id) >= before) continue;
      if (after !== null && BigInt(message.id) <= after) continue;
      found.push(message);
    }
    // With `after`, the page begins after that message. Otherwise it ends with the newest message.
    found = after === null ? found.slice(-limit) : found.slice(0, limit);
    return found.reverse();
  }

  /** A page with the message in the middle. */
  #around(channelId: string, viewer: string, id: string, limit: number): APIMessage[] {
    const half = Math.floor(limit / 2);
    const after = half === 0 ? [] : this.list(channelId, viewer, { after: id, limit: half });
    const upTo = this.list(channelId, viewer, { before: String(BigInt(id) + 1n), limit: limit - half });
    return [...after, ...upTo];
  }

  /** All messages of a channel, oldest first, regardless of visibility. */
  all(channelId: string): readonly StoredMessage[] {
    return [...(this.#channels.get(channelId) ?? [])];
  }

  #forget(stored: StoredMessage): void {
    if (!this.#byId.delete(stored.message.id)) return;
    const channel = this.#channels.get(stored.channelId);
    const index = channel?.indexOf(stored) ?? -1;
    if (index !== -1) channel?.splice(index, 1);
    if (channel?.length === 0) this.#channels.delete(stored.channelId);
  }
}
