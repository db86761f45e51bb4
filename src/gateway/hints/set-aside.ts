import { GuildwayError } from '../../errors.ts';
import type { Logger } from '../../observability/log.ts';
import { HINT_LIFE_MS } from '../../protocol/hints.ts';
import { type Duration, steadyNow, type WallClock, type WallTime } from '../../time.ts';
import { EVENT_RETENTION_MS } from '../dispatch/identity.ts';
import type { GatewayMetrics } from '../metrics.ts';
import type { Hint, HintEntry, HintStore, SetAsideEntry } from '../store/hints.ts';
import type { HintLimits } from './intake.ts';

/** One that is set aside, as the admin port shows it. */
export interface SetAsideSummary {
  readonly identity: string;
  readonly guild: string | null;
  readonly target: string;
  readonly reason: string;
  /** Deliveries that were sent. */
  readonly attempts: number;
  /** Since it was kept. */
  readonly ageSeconds: number;
  /** Its owner may have carried it out and does not remember that any more: to deliver it again may do it twice. */
  readonly forgotten: boolean;
}

/**
 * Whether its owner may have carried it out and forgotten that: to deliver it could do it twice. The first attempt came after it was
 * stored, and its owner remembers it at least from then on.
 */
export const isForgotten = ({ uncertain, storedAt }: Pick<Hint, 'uncertain' | 'storedAt'>, now: WallTime): boolean =>
  uncertain && now - storedAt >= EVENT_RETENTION_MS;

/** Which ones an operator means. */
export type Selection = { readonly identity: string } | { readonly all: true };

/** Without room it stays among those that are delivered, and is tried this often. */
const NO_ROOM_PAUSE_MS: Duration = 3_600_000;
/** What is listed and what is dealt with at once. */
const BATCH = 1_000;

/**
 * Kept requests whose delivery has ended without success. An operator has them delivered again or drops them; nothing else
 * removes one. They have the same limits as those that wait, for themselves. When these are reached, nothing more is set aside
 * and what cannot be delivered goes on waiting, so that in the end the stand-in takes no new requests and their senders
 * repeat them.
 */
export class SetAside {
  readonly #store: HintStore;
  readonly #limits: Pick<HintLimits, 'maxCount' | 'maxBytes'>;
  readonly #metrics: GatewayMetrics;
  readonly #log: Logger;
  readonly #now: WallClock;

  constructor(options: {
    store: HintStore;
    limits: Pick<HintLimits, 'maxCount' | 'maxBytes'>;
    metrics: GatewayMetrics;
    log: Logger;
    /** The store's clock. */
    now?: WallClock;
  }) {
    this.#store = options.store;
    this.#limits = options.limits;
    this.#metrics = options.metrics;
    this.#log = options.log;
    this.#now = options.now ?? steadyNow;
  }

  /**
   * Sets one aside; resolves when that is committed.
   * @returns null, or, where there is no room, how long it waits for its next delivery
   */
  async take({ id, identity, guildId }: HintEntry, reason: string): Promise<Duration | null> {
    const { count, bytes } = this.#store.setAsideTotals;
    const facts = { identity, guild: guildId, reason };
    if (count >= this.#limits.maxCount || bytes >= this.#limits.maxBytes) {
      await this.#store.prolong(id, 2 * NO_ROOM_PAUSE_MS);
      this.#log.error({ ...facts, count, bytes }, 'no room to set a request aside: see /hints on the admin port');
      return NO_ROOM_PAUSE_MS;
    }
    await this.#store.setAside(id, reason);
    this.#metrics.hintsDelivered.inc({ outcome: 'set-aside' });
    this.#log.error(facts, 'a kept request is set aside: deliver it again or drop it, /hints on the admin port');
    return null;
  }

  /** The first of them. */
  list(): SetAsideSummary[] {
    return this.#store.listSetAside(BATCH).map((entry) => this.#summaryOf(entry));
  }

  /**
   * Lets requests wait for their delivery again.
   * @param force also those that may be done twice; without it they stay
   * @returns what to plan their deliveries with
   * @throws GuildwayError REQUEST_INVALID when the one that is meant is not set aside, or may be done twice
   */
  takeBack(selection: Selection, force: boolean): HintEntry[] {
    const selected = this.#select(selection);
    const safe = force ? selected : selected.filter((entry) => !isForgotten(entry, this.#now()));
    if (safe.length === 0 && 'identity' in selection) {
      throw new GuildwayError(
        'REQUEST_INVALID',
        `${selection.identity} may have been done, and its owner does not remember that any more: check, then add "force": true`,
      );
    }
    const entries = safe.map((entry) => {
      // One that was never sent, or is to be sent whatever was, counts as kept now. Any other is not sent after its owner may
      // have forgotten it.
      const anew = !entry.uncertain || isForgotten(entry, this.#now());
      const rememberedMs = entry.storedAt + EVENT_RETENTION_MS - this.#now();
      return this.#store.takeBack(
        entry.id,
        anew ? HINT_LIFE_MS.event : Math.min(HINT_LIFE_MS.event, rememberedMs),
        anew,
      );
    });
    this.#log.warn({ ...selection, force, count: safe.length }, 'requests that were set aside are delivered again');
    return entries.filter((entry) => entry !== null);
  }

  /** Deletes requests; resolves when that is committed. @returns how many. @throws GuildwayError REQUEST_INVALID if the given one is not set aside */
  async drop(selection: Selection): Promise<number> {
    const selected = this.#select(selection);
    await Promise.all(selected.map(({ id }) => this.#store.remove(id)));
    for (const { identity, guildId, reason } of selected) {
      this.#log.warn({ identity, guild: guildId, reason }, 'a request that was set aside is dropped');
    }
    return selected.length;
  }

  #select(selection: Selection): SetAsideEntry[] {
    if ('all' in selection) return this.#store.listSetAside(BATCH);
    const entry = this.#store.findSetAside(selection.identity);
    if (entry === null) {
      throw new GuildwayError('REQUEST_INVALID', `${selection.identity} is not set aside at this pod: see GET /hints`);
    }
    return [entry];
  }

  #summaryOf(entry: SetAsideEntry): SetAsideSummary {
    const { identity, guildId, target, reason, attempts, storedAt } = entry;
    const now = this.#now();
    const ageSeconds = Math.round((now - storedAt) / 1_000);
    return { identity, guild: guildId, target, reason, attempts, ageSeconds, forgotten: isForgotten(entry, now) };
  }
}
