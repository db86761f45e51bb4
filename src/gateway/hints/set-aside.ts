import { GuildwayError } from '../../errors.ts';
import type { Logger } from '../../observability/log.ts';
import { HINT_LIFE_MS } from '../../protocol/hints.ts';
import { type Duration, steadyNow, type WallClock, type WallTime } from '../../time.ts';
import { EVENT_RETENTION_MS } from '../dispatch/identity.ts';
import type { GatewayMetrics } from '../metrics.ts';
import type { Hint, HintEntry, HintStore, SetAsideEntry } from '../store/hints.ts';
import type { HintLimits } from './intake.ts';

/** A request that is set aside, as the admin port shows it. */
export interface SetAsideSummary {
  readonly identity: string;
  readonly guild: string | null;
  readonly target: string;
  readonly reason: string;
  /** Deliveries that were sent. */
  readonly attempts: number;
  /** Since it was stored. */
  readonly ageSeconds: number;
  /** The owner may have carried it out and forgotten: a delivery may carry it out twice. */
  readonly forgotten: boolean;
}

/**
 * Whether the owner may have carried it out and forgotten, so that a delivery may carry it out twice. The first attempt came
 * after it was stored, and the owner's memory starts no earlier.
 */
export const isForgotten = ({ uncertain, storedAt }: Pick<Hint, 'uncertain' | 'storedAt'>, now: WallTime): boolean =>
  uncertain && now - storedAt >= EVENT_RETENTION_MS;

/** The requests that an operator names. */
export type Selection = { readonly identity: string } | { readonly all: true };

/** The interval of retries while there is no room to set it aside. */
const NO_ROOM_PAUSE_MS: Duration = 3_600_000;
/** The most requests that one response lists, or that one action affects. */
const BATCH = 1_000;

/**
 * Stored requests whose delivery has failed for good. An operator delivers or drops them; nothing else removes one. They have
 * limits of their own, equal to those of waiting requests. When the limits are reached, nothing more is set aside and failing
 * requests keep waiting. In the end the stand-in takes no new requests, and their senders retry.
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
   * Sets a request aside. Resolves when that is committed.
   * @returns null; if there is no room, the delay until its next delivery
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
    this.#log.error(facts, 'set a stored request aside: deliver it again or drop it, see /hints on the admin port');
    return null;
  }

  /** The first ones. */
  list(): SetAsideSummary[] {
    return this.#store.listSetAside(BATCH).map((entry) => this.#summaryOf(entry));
  }

  /**
   * Queues requests for delivery again.
   * @param force also those that may be carried out twice
   * @returns the entries to plan
   * @throws GuildwayError REQUEST_INVALID if the named request is not set aside, or may be carried out twice
   */
  takeBack(selection: Selection, force: boolean): HintEntry[] {
    const selected = this.#select(selection);
    const safe = force ? selected : selected.filter((entry) => !isForgotten(entry, this.#now()));
    if (safe.length === 0 && 'identity' in selection) {
      throw new GuildwayError(
        'REQUEST_INVALID',
        `${selection.identity} may have been executed, and its owner no longer remembers: check, then add "force": true`,
      );
    }
    const entries = safe.map((entry) => {
      // A request that was never sent, or that the operator forces, starts a new life now. Any other must not be sent once its
      // owner may have forgotten it.
      const anew = !entry.uncertain || isForgotten(entry, this.#now());
      const rememberedMs = entry.storedAt + EVENT_RETENTION_MS - this.#now();
      return this.#store.takeBack(
        entry.id,
        anew ? HINT_LIFE_MS.event : Math.min(HINT_LIFE_MS.event, rememberedMs),
        anew,
      );
    });
    this.#log.warn({ ...selection, force, count: safe.length }, 'delivering requests that were set aside');
    return entries.filter((entry) => entry !== null);
  }

  /** Deletes requests; resolves when that is committed. @returns how many. @throws GuildwayError REQUEST_INVALID if the given one is not set aside */
  async drop(selection: Selection): Promise<number> {
    const selected = this.#select(selection);
    await Promise.all(selected.map(({ id }) => this.#store.remove(id)));
    for (const { identity, guildId, reason } of selected) {
      this.#log.warn({ identity, guild: guildId, reason }, 'dropped a request that was set aside');
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
