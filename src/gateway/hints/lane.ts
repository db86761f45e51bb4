import { setTimeout as delay } from 'node:timers/promises';
import { fullJitter } from '../../link/backoff.ts';
import type { HintEntry } from '../store/hints.ts';
import type { HintChannel } from './channel.ts';

/** A hint that waits in a lane. */
export interface Pending {
  readonly entry: HintEntry;
  /** Unix milliseconds. */
  notBefore: number;
  attempts: number;
  /** Its owner has seen it, so those behind it need not wait for it any more. */
  reached: boolean;
  /** How often it was sent on to another owner in a row. */
  hops: number;
}

/**
 * What became of an attempt.
 * - `done`: the hint is no longer this lane's
 * - `later`: it was certainly not executed; the owner is away or serves nothing
 * - `again`: the owner has it or may have it
 */
export type Attempt = 'done' | 'later' | 'again';

export interface LaneOptions {
  readonly channel: HintChannel;
  readonly ratePerSecond: number;
  /** Sends one hint; must not reject. */
  readonly attempt: (pending: Pending, channel: HintChannel) => Promise<Attempt>;
  /** Called when nothing is left; the lane is not used after it. */
  readonly onIdle: () => void;
  readonly now: () => number;
  readonly random: () => number;
}

const TICK_MS = 25;
const MAX_IN_FLIGHT = 256;
/** Between looks for an owner that is away; the link itself waits up to half a second more. */
const AWAY_PAUSE_MS = 250;
const MIN_PAUSE_MS = 50;
const PAUSE_CAP_MS = 2_000;
const RETRY_BASE_MS = 250;
const RETRY_CAP_MS = 5_000;

/**
 * The hints for one owner. While it is away they wait; when it is back they go out at a bounded rate, so that live traffic is
 * served beside them, and in order for each guild: the next one leaves when the one before it has reached its owner.
 */
export class Lane {
  readonly #options: LaneOptions;
  /** In the order of arrival. */
  #queue: Pending[] = [];
  readonly #busyGuilds = new Set<string>();
  readonly #inFlight = new Set<Pending>();
  #running = false;
  #stopped = false;
  #laterFailures = 0;
  #pausedUntil = 0;
  #tokens = 0;
  #refilledAt: number;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#refilledAt = options.now();
  }

  /** Everything in it, waiting or on its way. */
  *pending(): Iterable<Pending> {
    yield* this.#inFlight;
    yield* this.#queue;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  isInFlight(id: number): boolean {
    for (const { entry } of this.#inFlight) if (entry.id === id) return true;
    return false;
  }

  add(pending: Pending): void {
    // From the end, because new hints belong there; one that comes back goes to its old place.
    let at = this.#queue.length;
    while (at > 0 && (this.#queue[at - 1] as Pending).entry.id > pending.entry.id) at--;
    this.#queue.splice(at, 0, pending);
    if (!this.#running && !this.#stopped) void this.#run();
  }

  /** Takes a waiting hint out. */
  remove(id: number): void {
    this.#queue = this.#queue.filter(({ entry }) => entry.id !== id);
  }

  /** Sends nothing more; what is in flight ends by itself. */
  stop(): void {
    this.#stopped = true;
  }

  close(): void {
    this.stop();
    this.#options.channel.close();
  }

  async #run(): Promise<void> {
    const { channel, random } = this.#options;
    this.#running = true;
    while (!this.#stopped && this.#queue.length > 0) {
      let pauseMs = TICK_MS * (0.5 + random());
      try {
        await channel.connect();
        if (!this.#stopped) this.#startDue();
      } catch {
        pauseMs = AWAY_PAUSE_MS * (0.5 + random());
      }
      await delay(pauseMs, undefined, { ref: false });
    }
    this.#running = false;
    this.#endIfIdle();
  }

  /** Starts what may go now, and keeps the rest in order. */
  #startDue(): void {
    const now = this.#options.now();
    this.#refill(now);
    if (now < this.#pausedUntil) return;
    const blocked = new Set(this.#busyGuilds);
    const kept: Pending[] = [];
    for (const pending of this.#queue) {
      const { guildId } = pending.entry;
      const ready =
        this.#tokens >= 1 &&
        this.#inFlight.size < MAX_IN_FLIGHT &&
        pending.notBefore <= now &&
        (guildId === null || !blocked.has(guildId));
      if (ready) {
        this.#tokens--;
        void this.#start(pending);
      } else {
        kept.push(pending);
      }
      if (guildId !== null && !pending.reached) blocked.add(guildId);
    }
    this.#queue = kept;
  }

  async #start(pending: Pending): Promise<void> {
    const { guildId } = pending.entry;
    const { attempt, channel, now, random } = this.#options;
    this.#inFlight.add(pending);
    const holds = guildId !== null && !pending.reached;
    if (holds) this.#busyGuilds.add(guildId);
    const outcome = await attempt(pending, channel);
    this.#inFlight.delete(pending);
    if (holds) this.#busyGuilds.delete(guildId);
    if (outcome === 'later') {
      this.#pauseAll(now());
      this.add(pending);
      return;
    }
    this.#laterFailures = 0;
    if (outcome === 'again') {
      pending.reached = true;
      pending.notBefore = now() + MIN_PAUSE_MS + fullJitter(pending.attempts++, RETRY_BASE_MS, RETRY_CAP_MS, random);
      this.add(pending);
    }
    this.#endIfIdle();
  }

  /** As long as the pod serves nothing it is asked less and less often. */
  #pauseAll(now: number): void {
    this.#pausedUntil =
      now + MIN_PAUSE_MS + fullJitter(this.#laterFailures++, RETRY_BASE_MS, PAUSE_CAP_MS, this.#options.random);
  }

  #refill(now: number): void {
    const { ratePerSecond } = this.#options;
    const burst = Math.max(1, ratePerSecond / 10);
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#refilledAt) * ratePerSecond) / 1_000);
    this.#refilledAt = now;
  }

  #endIfIdle(): void {
    if (this.#running || this.#stopped || this.#queue.length > 0 || this.#inFlight.size > 0) return;
    this.#stopped = true;
    this.#options.channel.close();
    this.#options.onIdle();
  }
}
