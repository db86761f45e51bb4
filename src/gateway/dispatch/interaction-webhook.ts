import { DiscordAPIError, REST, RequestMethod } from '@discordjs/rest';
import { type Duration, inMs, monotonicNow } from '../../time.ts';
import type { WebhookCall } from './late-response.ts';

/** The first response arrives within 3 s or never. The rest is for clocks that differ. */
const FIRST_RESPONSE_MS = 10_000;
/** The delay and the number of retries of a call that arrives before the first response. */
const EARLY_MS = 3_000;
const EARLY_PAUSE_MS = 250;

/**
 * - `done`: Discord has accepted the calls
 * - `gone`: the interaction's webhook or message no longer exists, so the user cannot be told
 * - `refused`: Discord rejects the content
 */
export type WebhookOutcome =
  | { readonly kind: 'done'; readonly result?: unknown }
  | { readonly kind: 'gone' | 'refused'; readonly error: DiscordAPIError };

const METHODS = Object.freeze({
  GET: RequestMethod.Get,
  PATCH: RequestMethod.Patch,
  POST: RequestMethod.Post,
  DELETE: RequestMethod.Delete,
});

/** Unknown Message, Unknown Webhook, Unknown Interaction, Invalid Webhook Token. */
const GONE: ReadonlySet<number | string> = new Set([10008, 10015, 10062, 50027]);

/**
 * Discord's webhooks of interactions. The interaction's token authorizes them, and the bot's rate limits do not apply, so they
 * have a REST client of their own.
 */
export class InteractionWebhook {
  readonly #rest: REST;

  /** @param apiUrl the root of Discord's API, without the version */
  constructor(apiUrl: string) {
    this.#rest = new REST({
      api: apiUrl,
      version: '10',
      timeout: 5_000,
      retries: 2,
      globalRequestsPerSecond: 10_000,
      // Each token has a queue of its own. Thousands of them must not stay in memory for an hour.
      handlerSweepInterval: 60_000,
    });
  }

  /**
   * Makes the calls in order and stops at the first failure.
   * @param ageMs of the interaction; tells whether its first response may still be in flight
   * @throws the client's error if Discord fails or cannot be reached; the calls may be repeated
   */
  async send(ageMs: Duration, calls: readonly WebhookCall[]): Promise<WebhookOutcome> {
    for (const call of calls) {
      const outcome = await this.#sendOne(call, ageMs < FIRST_RESPONSE_MS ? EARLY_MS : 0);
      if (outcome.kind !== 'done') return outcome;
    }
    return { kind: 'done' };
  }

  /** The message of the first response, or of the component. @throws as {@link send} */
  original(ageMs: Duration, route: `/${string}`): Promise<WebhookOutcome> {
    return this.#sendOne({ method: 'GET', route }, ageMs < FIRST_RESPONSE_MS ? EARLY_MS : 0);
  }

  /** Stops the client's timers. */
  close(): void {
    this.#rest.clearHashSweeper();
    this.#rest.clearHandlerSweeper();
  }

  async #sendOne({ method, route, body }: WebhookCall, patienceMs: Duration): Promise<WebhookOutcome> {
    const giveUpAt = inMs(patienceMs);
    for (;;) {
      try {
        const result = await this.#rest.request({ method: METHODS[method], fullRoute: route, auth: false, body });
        return { kind: 'done', result };
      } catch (error) {
        if (!(error instanceof DiscordAPIError) || error.status >= 500 || error.status === 429) throw error;
        const gone = GONE.has(error.code) || error.status === 404;
        if (!gone) return { kind: 'refused', error };
        // The webhook does not exist until the first response arrives.
        if (error.status !== 404 || monotonicNow() >= giveUpAt) return { kind: 'gone', error };
        await new Promise((resolve) => setTimeout(resolve, EARLY_PAUSE_MS));
      }
    }
  }
}
