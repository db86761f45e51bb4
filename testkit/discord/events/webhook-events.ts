import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../clock.ts';
import type { Feed } from '../feed.ts';
import { PostTarget } from '../interactions/post.ts';
import type { WebhookSigner } from '../keys.ts';
import type { Violations } from '../violations.ts';

/** The outcome of the delivery of an event webhook. */
export interface WebhookDelivery {
  readonly acknowledged: boolean;
  readonly attempts: number;
  /** The status of the last attempt; null without a response. */
  readonly status: number | null;
}

interface WebhookParts {
  readonly applicationId: string;
  readonly clock: Clock;
  readonly signer: WebhookSigner;
  readonly feed: Feed;
  readonly violations: Violations;
  readonly backoffMs: number;
  readonly deadlineMs: number;
  readonly stopped: AbortSignal;
}

const GIVE_UP_AFTER_MS = 10 * 60_000;

/** Posts event webhooks. Retries with exponential backoff for up to ten minutes until acknowledged. */
export class WebhookEvents {
  readonly #parts: WebhookParts;
  readonly #target = new PostTarget();

  constructor(parts: WebhookParts) {
    this.#parts = parts;
  }

  get url(): string | null {
    return this.#target.url;
  }

  setUrl(url: string | null): void {
    this.#target.setUrl(url);
  }

  /**
   * Sends an event, such as `ENTITLEMENT_CREATE`.
   * @returns the outcome, when the event is acknowledged or given up
   */
  async send(type: string, data: unknown): Promise<WebhookDelivery> {
    const { applicationId, clock, feed, violations } = this.#parts;
    const timestamp = new Date(clock.now()).toISOString();
    const event = { type, timestamp, ...(data === undefined ? {} : { data }) };
    const body = Buffer.from(JSON.stringify({ version: 1, application_id: applicationId, type: 1, event }));
    const delivery = await this.#deliver(body);
    feed.publish({ type: 'webhook', event: type, attempts: delivery.attempts, acknowledged: delivery.acknowledged });
    if (!delivery.acknowledged) violations.record('webhook_not_acknowledged', type);
    return delivery;
  }

  /** A PING (type 0). @returns whether it was acknowledged with 204 */
  async ping(): Promise<boolean> {
    const body = Buffer.from(JSON.stringify({ version: 1, application_id: this.#parts.applicationId, type: 0 }));
    return (await this.#post(body)) === 204;
  }

  async close(): Promise<void> {
    await this.#target.close();
  }

  async #deliver(body: Buffer): Promise<WebhookDelivery> {
    const { backoffMs, stopped } = this.#parts;
    const startedAt = performance.now();
    let pause = backoffMs;
    for (let attempts = 1; ; attempts++) {
      const status = await this.#post(body);
      if (status === 204) return { acknowledged: true, attempts, status };
      const late = performance.now() - startedAt + pause > GIVE_UP_AFTER_MS;
      if (late || stopped.aborted) return { acknowledged: false, attempts, status };
      await sleep(pause, undefined, { signal: stopped, ref: false }).catch(() => {});
      pause *= 2;
    }
  }

  async #post(body: Buffer): Promise<number | null> {
    const { signer, clock, deadlineMs } = this.#parts;
    if (this.#target.poster === null) throw new Error('there is no event webhook URL');
    const headers = { 'content-type': 'application/json', ...signer.sign(body, clock.now()) };
    const reply = await this.#target.poster.post(body, headers, deadlineMs).catch(() => null);
    return reply?.status ?? null;
  }
}
