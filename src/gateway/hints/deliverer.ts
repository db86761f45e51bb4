import { setTimeout as delay } from 'node:timers/promises';
import { certainlyNotSent } from '../../errors.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import type { Logger } from '../../observability/log.ts';
import { asVariables } from '../../routing/topology.ts';
import { after, type Duration, type MonotonicClock, monotonicNow, steadyNow, type WallClock } from '../../time.ts';
import type { Faults } from '../faults.ts';
import type { GatewayMetrics } from '../metrics.ts';
import type { GuildOwnership } from '../moving/guild-ownership.ts';
import type { Hint, HintEntry, HintStore } from '../store/hints.ts';
import type { HintChannel } from './channel.ts';
import { deliveryRequest, type Verdict, verdictOf } from './delivery.ts';
import type { Pending } from './delivery-order.ts';
import type { ExpiryNotice } from './expiry-notice.ts';
import { kindOf, rejectionPauseMs, retryPauseMs } from './fate.ts';
import { type AttemptResult, OwnerQueue } from './owner-queue.ts';
import { isForgotten, type SetAside } from './set-aside.ts';
import { type OwnerSummary, summarize } from './summary.ts';

export interface DelivererOptions {
  readonly store: HintStore;
  readonly setAside: SetAside;
  readonly ownership: GuildOwnership;
  /** Opens a channel to a pod, which may be this one. */
  readonly channelTo: (owner: number) => HintChannel;
  readonly notice: ExpiryNotice;
  readonly ratePerSecond: number;
  readonly metrics: GatewayMetrics;
  readonly faults: Faults;
  readonly log: Logger;
  /** The store's clock. Hints expire by it. */
  readonly now?: WallClock;
  /** The clock that deliveries wait by. */
  readonly monotonic?: MonotonicClock;
  readonly random?: () => number;
}

/** A deferred response must be sent before it can be edited. */
const FIRST_RESPONSE_MS = 300;
/** A slower owner carries on; the next attempt finds the request running or done. */
const ATTEMPT_TIMEOUT_MS = 10_000;
const EXPIRY_INTERVAL_MS = 1_000;
/** The most expired hints that are handled per interval. */
const EXPIRY_BATCH = 400;
/** The most redirects in a row. After that, the hint waits: the pods may name each other as the owner. */
const MAX_HOPS = 4;
const MISDIRECTED_PAUSE_MS = 1_000;

/**
 * Delivers hints to their owners. A hint that cannot be delivered is reported to its user or set aside. None disappears
 * silently.
 */
export class Deliverer {
  readonly #options: DelivererOptions;
  readonly #now: WallClock;
  readonly #monotonic: MonotonicClock;
  readonly #random: () => number;
  readonly #queues = new Map<number, OwnerQueue>();
  #expiryTimer: NodeJS.Timeout | null = null;
  #expiring = false;
  #stopped = false;

  constructor(options: DelivererOptions) {
    this.#options = options;
    this.#now = options.now ?? steadyNow;
    this.#monotonic = options.monotonic ?? monotonicNow;
    this.#random = options.random ?? Math.random;
  }

  /** Takes over the hints of an earlier process. */
  start(): void {
    for (const entry of this.#options.store.list()) this.add(entry);
    this.#expiryTimer = setInterval(() => void this.expireDue(), EXPIRY_INTERVAL_MS).unref();
  }

  /** Plans the delivery of a hint on disk, to its owner under the current topology. */
  add(entry: HintEntry): void {
    this.#plan(entry, FIRST_RESPONSE_MS);
  }

  summary(): OwnerSummary[] {
    return summarize(this.#queues, this.#now());
  }

  /** Handles expired hints: tells the user, or sets them aside. */
  async expireDue(): Promise<void> {
    if (this.#expiring || this.#stopped) return;
    this.#expiring = true;
    try {
      const due = this.#options.store.expired(EXPIRY_BATCH).filter((id) => !this.#isInFlight(id));
      const hints = due.map((id) => this.#options.store.read(id)).filter((hint) => hint !== null);
      await Promise.all(hints.map((hint) => this.#expire(hint)));
    } catch (error) {
      this.#options.log.error({ err: errorFacts(error) }, 'expired hints could not be handled');
    } finally {
      this.#expiring = false;
    }
  }

  /** Sends nothing more and waits for deliveries in flight. The rest stays on disk for the next process. */
  async drain(): Promise<void> {
    this.#stopped = true;
    if (this.#expiryTimer !== null) clearInterval(this.#expiryTimer);
    for (const queue of this.#queues.values()) queue.stop();
    while (this.#queues.values().some((queue) => queue.inFlight > 0)) await delay(10);
  }

  close(): void {
    this.#stopped = true;
    if (this.#expiryTimer !== null) clearInterval(this.#expiryTimer);
    for (const queue of this.#queues.values()) queue.close();
    this.#queues.clear();
  }

  #plan(entry: HintEntry, waitMs: Duration): void {
    if (this.#stopped) return;
    const notBefore = after(this.#monotonic(), waitMs);
    const counters = { failures: 0, rejections: 0, lastFailure: null, reached: false, hops: 0 };
    this.#queueOf(this.#ownerOf(entry)).add({ entry, notBefore, ...counters });
  }

  /** A guild that this pod received while it stored a request for it is its own. */
  #ownerOf({ guildId }: HintEntry): number {
    return this.#options.ownership.ownerOf(guildId);
  }

  #queueOf(owner: number): OwnerQueue {
    const existing = this.#queues.get(owner);
    if (existing !== undefined) return existing;
    const queue: OwnerQueue = new OwnerQueue({
      channel: this.#options.channelTo(owner),
      ratePerSecond: this.#options.ratePerSecond,
      attempt: (pending, channel) => this.#attempt(owner, pending, channel),
      onIdle: () => this.#queues.delete(owner),
      now: this.#monotonic,
      random: this.#random,
    });
    this.#queues.set(owner, queue);
    return queue;
  }

  async #attempt(owner: number, pending: Pending, channel: HintChannel): Promise<AttemptResult> {
    const { store, log } = this.#options;
    const { id, identity, guildId } = pending.entry;
    try {
      const hint = store.read(id);
      if (hint === null) return DONE;
      const now = this.#now();
      const lifeMs = hint.expiresAt - now;
      // Too late to start. The hint is still on disk; expireDue finds it.
      if (lifeMs <= 0 || isForgotten(hint, now)) return DONE;
      await this.#noteAttempt(id);
      const verdict = verdictOf(await channel.send(deliveryRequest(hint, lifeMs), ATTEMPT_TIMEOUT_MS));
      return await this.#conclude(owner, pending, hint, verdict);
    } catch (error) {
      const sent = !certainlyNotSent(error);
      log.warn({ identity, guild: guildId, pod: owner, sent, err: errorFacts(error) }, 'a hint was not delivered');
      return sent ? this.#again(pending, 'the owner did not answer', null) : { kind: 'refused' };
    }
  }

  async #conclude(owner: number, pending: Pending, hint: Hint, verdict: Verdict): Promise<AttemptResult> {
    const { store, metrics, faults, log } = this.#options;
    const facts = { identity: hint.identity, guild: hint.guildId, pod: owner };
    switch (verdict.kind) {
      case 'delivered':
        faults.killAt('kill-after-delivery');
        await store.remove(hint.id);
        metrics.hintsDelivered.inc({ outcome: 'delivered' });
        log.debug({ ...facts, afterMs: this.#now() - hint.storedAt }, 'hint delivered');
        return DONE;
      case 'refused':
        return { kind: 'refused' };
      case 'redirected':
        return this.#redirect(owner, pending, verdict.owner, verdict.epoch);
      case 'failed':
        log.warn({ ...facts, why: verdict.why }, 'the owner of a hint failed to execute it');
        return this.#again(pending, verdict.why, verdict.retryAfterMs);
      case 'rejected':
        log.warn({ ...facts, why: verdict.why, rejections: pending.rejections + 1 }, 'a hint was rejected');
        return this.#rejected(pending, hint, verdict.why);
    }
  }

  #again(pending: Pending, why: string, retryAfterMs: Duration | null): AttemptResult {
    const afterMs = retryPauseMs(kindOf(pending.entry), pending.failures, retryAfterMs, this.#random);
    pending.failures++;
    pending.lastFailure = why;
    return { kind: 'retry', afterMs };
  }

  async #rejected(pending: Pending, hint: Hint, why: string): Promise<AttemptResult> {
    const { store, setAside, metrics, notice } = this.#options;
    if (kindOf(hint) === 'interaction') {
      await notice.rejected(hint);
      await store.remove(hint.id);
      metrics.hintsDelivered.inc({ outcome: 'rejected' });
      return DONE;
    }
    const afterMs = rejectionPauseMs(pending.rejections, this.#random) ?? (await setAside.take(hint, why));
    if (afterMs === null) return DONE;
    pending.failures++;
    pending.rejections++;
    pending.lastFailure = why;
    return { kind: 'retry', afterMs };
  }

  /** Follows the pod's redirect, unless its topology is older than this pod's or the redirects form a loop. */
  #redirect(from: number, pending: Pending, to: number, epoch: number): AttemptResult {
    const { ownership, log } = this.#options;
    const ours = ownership.newest;
    const facts = { identity: pending.entry.identity, guild: pending.entry.guildId, pod: from, owner: to, epoch };
    log.debug({ ...facts, ours: asVariables(ours) }, 'a hint was misdirected');
    // NaN: the pod names no owner, or no epoch.
    const known = Number.isInteger(to) && to !== from && epoch >= ours.epoch;
    const follow = known && pending.hops < MAX_HOPS;
    pending.hops = follow ? pending.hops + 1 : 0;
    if (!follow) pending.notBefore = after(this.#monotonic(), MISDIRECTED_PAUSE_MS);
    this.#queueOf(follow ? to : this.#ownerOf(pending.entry)).add(pending);
    return DONE;
  }

  async #expire(hint: Hint): Promise<void> {
    const { store, setAside, notice, metrics, log } = this.#options;
    if (kindOf(hint) === 'event') {
      const why = this.#dequeue(hint)?.lastFailure ?? 'its owner was away until it expired';
      const waitMs = await setAside.take(hint, why);
      if (waitMs !== null) this.#plan(hint, waitMs);
      return;
    }
    if (!(await notice.expired(hint))) return;
    this.#dequeue(hint);
    await store.remove(hint.id);
    metrics.hintsExpired.inc();
    const { identity, guildId, uncertain, storedAt } = hint;
    log.error({ identity, guild: guildId, uncertain, afterMs: this.#now() - storedAt }, 'a hint has expired');
  }

  /** Marked before it is sent, because from then on its owner may have executed it. */
  async #noteAttempt(id: number): Promise<void> {
    try {
      await this.#options.store.noteAttempt(id);
    } catch (error) {
      // On a full disk: the delivery matters more than the wording of a later notice.
      this.#options.log.warn({ err: errorFacts(error) }, 'a delivery attempt could not be recorded');
    }
  }

  #dequeue(entry: HintEntry): Pending | null {
    for (const queue of this.#queues.values()) {
      const pending = queue.remove(entry);
      if (pending !== null) return pending;
    }
    return null;
  }

  #isInFlight(id: number): boolean {
    return this.#queues.values().some((queue) => queue.isInFlight(id));
  }
}

const DONE: AttemptResult = { kind: 'done' };
