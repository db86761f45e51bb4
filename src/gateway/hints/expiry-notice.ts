import type { APIInteraction } from 'discord-api-types/v10';
import { errorFacts } from '../../observability/error-facts.ts';
import type { Logger } from '../../observability/log.ts';
import { steadyNow, type WallClock } from '../../time.ts';
import type { InteractionWebhook } from '../dispatch/interaction-webhook.ts';
import { lateNotice } from '../dispatch/late-response.ts';
import { MESSAGE } from '../dispatch/messages.ts';
import type { Hint } from '../store/hints.ts';

/** The token outlives the hint by half a minute. After that the user can no longer be told. */
const GIVE_UP_MS = 60_000;

/** Tells the users of deferred interactions that the interactions were not carried out. No user waits for other hints. */
export class ExpiryNotice {
  readonly #webhook: InteractionWebhook;
  readonly #log: Logger;
  readonly #now: WallClock;

  constructor(options: { webhook: InteractionWebhook; log: Logger; now?: WallClock }) {
    this.#webhook = options.webhook;
    this.#log = options.log;
    this.#now = options.now ?? steadyNow;
  }

  /** @returns whether this hint is finished. False: Discord cannot be reached; try again */
  async expired(hint: Hint): Promise<boolean> {
    const told = await this.#tell(hint, hint.uncertain ? MESSAGE.expiredUncertain : MESSAGE.expired);
    return told || this.#now() > hint.expiresAt + GIVE_UP_MS;
  }

  /** The owner will never accept the hint. */
  async rejected(hint: Hint): Promise<void> {
    await this.#tell(hint, MESSAGE.failed(hint.identity));
  }

  /** Resolves with false if a retry may succeed. */
  async #tell(hint: Hint, text: string): Promise<boolean> {
    if (hint.deferred === 0) return true;
    const facts = { identity: hint.identity, guild: hint.guildId };
    try {
      const interaction = JSON.parse(hint.body.toString('utf8')) as APIInteraction;
      const outcome = await this.#webhook.send(this.#now() - hint.storedAt, [
        lateNotice(interaction, hint.deferred, text),
      ]);
      if (outcome.kind !== 'done')
        this.#log.warn({ ...facts, err: errorFacts(outcome.error) }, 'the user of an interaction cannot be notified');
      return true;
    } catch (error) {
      this.#log.warn({ ...facts, err: errorFacts(error) }, 'the user of an interaction could not be notified yet');
      return false;
    }
  }
}
