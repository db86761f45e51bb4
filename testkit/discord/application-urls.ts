import type { WebhookEvents } from './events/webhook-events.ts';
import type { Interactions } from './interactions/interactions.ts';
import type { InteractionSender } from './interactions/sender.ts';

/** The URLs of an application. */
export class ApplicationUrls {
  readonly #sender: InteractionSender;
  readonly #interactions: Interactions;
  readonly #webhooks: WebhookEvents;

  constructor(sender: InteractionSender, interactions: Interactions, webhooks: WebhookEvents) {
    this.#sender = sender;
    this.#interactions = interactions;
    this.#webhooks = webhooks;
  }

  get interactionsUrl(): string | null {
    return this.#sender.url;
  }

  get eventWebhookUrl(): string | null {
    return this.#webhooks.url;
  }

  setEventWebhookUrl(url: string | null): void {
    this.#webhooks.setUrl(url);
  }

  /** Sets the interactions URL if it responds to a PING and rejects a wrong signature. @returns whether it was set */
  async tryInteractionsUrl(url: string | null): Promise<boolean> {
    const former = this.#sender.url;
    this.#sender.setUrl(url);
    if (url === null || (await this.#interactions.verifyEndpoint()).accepted) return true;
    this.#sender.setUrl(former);
    return false;
  }
}
