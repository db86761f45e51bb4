import { randomBytes } from 'node:crypto';

/** A webhook that posts into a channel. */
export interface StoredWebhook {
  readonly id: string;
  /** 68 characters, like Discord's: libraries recognize a webhook's URL by its length. */
  readonly token: string;
  readonly guildId: string;
  channelId: string;
  name: string;
  avatar: string | null;
}

/** The bot's webhooks by id. */
export class WebhookStore {
  readonly #byId = new Map<string, StoredWebhook>();

  add(webhook: Omit<StoredWebhook, 'token'>): StoredWebhook {
    const stored = { ...webhook, token: randomBytes(51).toString('base64url') };
    this.#byId.set(stored.id, stored);
    return stored;
  }

  get(id: string): StoredWebhook | undefined {
    return this.#byId.get(id);
  }

  delete(id: string): void {
    this.#byId.delete(id);
  }

  of(guildId: string, channelId: string | null): StoredWebhook[] {
    const fits = (one: StoredWebhook): boolean =>
      one.guildId === guildId && (channelId === null || one.channelId === channelId);
    return [...this.#byId.values()].filter(fits);
  }
}
