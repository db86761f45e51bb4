import { setTimeout as delay } from 'node:timers/promises';
import type { GuildwayError } from '../../errors.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import type { Logger } from '../../observability/log.ts';
import type { Topology } from '../../routing/topology.ts';
import { after, steadyNow, type WallClock } from '../../time.ts';
import type { Faults } from '../faults.ts';
import type { GatewayMetrics } from '../metrics.ts';
import type { Hint, HintEntry, HintStore } from '../store/hints.ts';
import type { HintChannel } from './channel.ts';
import { deliveryRequest, type Verdict, verdictOf } from './delivery.ts';
import type { ExpiryNotice } from './expiry-notice.ts';
import { type Attempt, Lane } from './lane.ts';
import type { Pending } from './lane-queue.ts';

export interface DelivererOptions {
  readonly store: HintStore;
  readonly topology: Topology;
  /** Opens the way to a pod, which may be this one. */
  readonly channelTo: (owner: number) => HintChannel;
  readonly notice: ExpiryNotice;
  readonly ratePerSecond: number;
  readonly metrics: GatewayMetrics;
  readonly faults: Faults;
  readonly log: Logger;
  readonly now?: WallClock;
  readonly random?: () => number;
}

/** The hints for one owner, as the admin port shows them. */
export interface LaneSummary {
  readonly owner: number;
  readonly count: number;
  readonly inFlight: number;
  readonly oldestSeconds: number;
}

/** A deferred response must have left before it can be edited. */
const FIRST_RESPONSE_MS = 300;
/** An owner that takes longer goes on by itself; the next attempt finds it running or done. */
const ATTEMPT_TIMEOUT_MS = 10_000;
const EXPIRY_INTERVAL_MS = 1_000;
/** Hints whose time is over that are dealt with per interval. */
const EXPIRY_BATCH = 400;
/** Pods that name each other as the owner get the hint no more often than this in a row, and then not for a while. */
const MAX_HOPS = 2;
const MISDIRECTED_PAUSE_MS = 1_000;

/** Brings hints to their owners, and sees to it that none disappears without a word. */
export class Deliverer {
  readonly #options: DelivererOptions;
  readonly #now: WallClock;
  readonly #random: () => number;
  readonly #lanes = new Map<number, Lane>();
  #expiryTimer: NodeJS.Timeout | null = null;
  #expiring = false;
  #stopped = false;

  constructor(options: DelivererOptions) {
    this.#options = options;
    this.#now = options.now ?? steadyNow;
    this.#random = options.random ?? Math.random;
  }

  /** Takes up what an earlier process has left. */
  start(): void {
    for (const entry of this.#options.store.list()) this.add(entry);
    this.#expiryTimer = setInterval(() => void this.expireDue(), EXPIRY_INTERVAL_MS).unref();
  }

  /** Plans a hint that is on disk; its owner is that of the topology of the moment. */
  add(entry: HintEntry): void {
    if (this.#stopped) return;
    const pending = {
      entry,
      notBefore: after(entry.storedAt, FIRST_RESPONSE_MS),
      attempts: 0,
      reached: false,
      hops: 0,
    };
    this.#laneOf(this.#options.topology.ownerOf(entry.guildId)).add(pending);
  }

  summary(): LaneSummary[] {
    const now = this.#now();
    return [...this.#lanes].map(([owner, lane]) => {
      let count = 0;
      let oldest: number = now;
      for (const { entry } of lane.pending()) {
        count++;
        oldest = Math.min(oldest, entry.storedAt);
      }
      return { owner, count, inFlight: lane.inFlight, oldestSeconds: (now - oldest) / 1_000 };
    });
  }

  /** Deals with the hints whose time is over: says so to who waits, counts and removes them. */
  async expireDue(): Promise<void> {
    if (this.#expiring || this.#stopped) return;
    this.#expiring = true;
    try {
      const due = this.#options.store.expired(EXPIRY_BATCH).filter((id) => !this.#isInFlight(id));
      const hints = due.map((id) => this.#options.store.read(id)).filter((hint) => hint !== null);
      await Promise.all(hints.map((hint) => this.#expire(hint)));
    } catch (error) {
      this.#options.log.error({ err: errorFacts(error) }, 'expired hints could not be dealt with');
    } finally {
      this.#expiring = false;
    }
  }

  /** Sends nothing more and waits for what is in flight. The rest stays on disk for the next process. */
  async drain(): Promise<void> {
    this.#stopped = true;
    if (this.#expiryTimer !== null) clearInterval(this.#expiryTimer);
    for (const lane of this.#lanes.values()) lane.stop();
    while (this.#lanes.values().some((lane) => lane.inFlight > 0)) await delay(10);
  }

  close(): void {
    this.#stopped = true;
    if (this.#expiryTimer !== null) clearInterval(this.#expiryTimer);
    for (const lane of this.#lanes.values()) lane.close();
    this.#lanes.clear();
  }

  #laneOf(owner: number): Lane {
    const existing = this.#lanes.get(owner);
    if (existing !== undefined) return existing;
    const lane: Lane = new Lane({
      channel: this.#options.channelTo(owner),
      ratePerSecond: this.#options.ratePerSecond,
      attempt: (pending, channel) => this.#attempt(owner, pending, channel),
      onIdle: () => this.#lanes.delete(owner),
      now: this.#now,
      random: this.#random,
    });
    this.#lanes.set(owner, lane);
    return lane;
  }

  async #attempt(owner: number, pending: Pending, channel: HintChannel): Promise<Attempt> {
    const { store, log } = this.#options;
    const { entry } = pending;
    const facts = { identity: entry.identity, guild: entry.guildId, pod: owner };
    try {
      const hint = store.read(entry.id);
      if (hint === null) return 'done';
      // Too late to begin. It is still on disk, where expireDue finds it.
      if (entry.expiresAt <= this.#now()) return 'done';
      this.#markUncertain(entry.id);
      const verdict = verdictOf(await channel.send(deliveryRequest(hint), ATTEMPT_TIMEOUT_MS));
      return await this.#conclude(owner, pending, hint, verdict);
    } catch (error) {
      const sent = (error as GuildwayError).facts?.sent !== false;
      log.warn({ ...facts, sent, err: errorFacts(error) }, 'a hint was not delivered');
      return sent ? 'again' : 'later';
    }
  }

  async #conclude(owner: number, pending: Pending, hint: Hint, verdict: Verdict): Promise<Attempt> {
    const { store, metrics, faults, log, notice } = this.#options;
    const { entry } = pending;
    const facts = { identity: entry.identity, guild: entry.guildId, pod: owner };
    switch (verdict.kind) {
      case 'delivered':
        faults.killAt('kill-after-delivery');
        store.remove(entry.id);
        metrics.hintsDelivered.inc({ outcome: 'delivered' });
        log.debug({ ...facts, afterMs: this.#now() - entry.storedAt }, 'hint delivered');
        return 'done';
      case 'rejected':
        log.error(facts, 'the owner of a hint does not accept it');
        await notice.rejected(hint);
        store.remove(entry.id);
        metrics.hintsDelivered.inc({ outcome: 'rejected' });
        return 'done';
      case 'expired':
        // The owner knows that it never began.
        await this.#expire({ ...hint, uncertain: false });
        return 'done';
      case 'elsewhere':
        return this.#redirect(owner, pending, verdict.owner, verdict.epoch);
      default:
        return verdict.kind;
    }
  }

  /** Follows the pod's word for who the owner is, unless it knows less than this one or they go round in circles. */
  #redirect(from: number, pending: Pending, to: number | null, epoch: number): Attempt {
    const { topology, log } = this.#options;
    const facts = { identity: pending.entry.identity, guild: pending.entry.guildId, pod: from, owner: to, epoch };
    log.warn({ ...facts, ours: topology.fingerprint, ourEpoch: topology.epoch }, 'a hint was misdirected');
    const follow = to !== null && to !== from && epoch >= topology.epoch && pending.hops < MAX_HOPS;
    pending.hops = follow ? pending.hops + 1 : 0;
    if (!follow) pending.notBefore = after(this.#now(), MISDIRECTED_PAUSE_MS);
    this.#laneOf(follow ? to : topology.ownerOf(pending.entry.guildId)).add(pending);
    return 'done';
  }

  async #expire(hint: Hint): Promise<void> {
    const { store, notice, metrics, log } = this.#options;
    if (!(await notice.expired(hint))) return;
    for (const lane of this.#lanes.values()) lane.remove(hint);
    store.remove(hint.id);
    metrics.hintsExpired.inc();
    const { identity, guildId, uncertain, storedAt } = hint;
    log.error({ identity, guild: guildId, uncertain, afterMs: this.#now() - storedAt }, 'a hint has expired');
  }

  /** Without room on the disk it is delivered all the same: that matters more than what is said if it never arrives. */
  #markUncertain(id: number): void {
    try {
      this.#options.store.markUncertain(id);
    } catch (error) {
      this.#options.log.warn({ err: errorFacts(error) }, 'an attempt could not be written down');
    }
  }

  #isInFlight(id: number): boolean {
    return this.#lanes.values().some((lane) => lane.isInFlight(id));
  }
}
