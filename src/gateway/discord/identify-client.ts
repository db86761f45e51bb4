import { setTimeout as delay } from 'node:timers/promises';
import { fullJitter } from '../../link/backoff.ts';
import type { Logger } from '../../observability/log.ts';
import { PATH } from '../../protocol/paths.ts';
import { podStatement } from '../../protocol/pod-statement.ts';
import { GUILDLESS_POD } from '../../routing/topology.ts';
import { type Duration, elapsed, type MonotonicTime, monotonicNow, wallNow } from '../../time.ts';
import { IdentifyGate, type IdentifyGateOptions } from './identify-gate.ts';
import { type IdentifySlots, probeMs, slotWaitMs } from './identify-slots.ts';
import type { Peers } from './peers.ts';

export interface IdentifyClientOptions extends IdentifySlots {
  readonly peers: Pick<Peers, 'ask'>;
  readonly fetchLimit: IdentifyGateOptions['fetchLimit'];
  /** How long this pod waits for pod 0 before it identifies without it. */
  readonly absentMs: Duration;
  readonly log: Logger;
}

/**
 * - `granted`: the shard may identify
 * - `waiting`: others come first
 * - `absent`: pod 0 grants no slots: it is away, is ending, or cannot ask Discord for its limits
 */
type PodZero = 'granted' | 'waiting' | 'absent';

/** How long one request to pod 0 stays open. */
const ASK_MS = 5_000;
/** How long this pod waits for its own slot before it asks pod 0 again. */
const OWN_SLOT_MS = 10_000;
const RETRY_BASE_MS = 250;
const RETRY_CAP_MS = 5_000;

/** Gets identify slots for a pod other than 0: from pod 0, or from the clock while pod 0 is away. */
export class IdentifyClient {
  readonly #options: IdentifyClientOptions;
  /** Grants what the clock allows. */
  readonly #own: IdentifyGate;
  /** Since when pod 0 grants no slots. Null: it does. */
  #absentSince: MonotonicTime | null = null;

  constructor(options: IdentifyClientOptions) {
    this.#options = options;
    const { fetchLimit, intervalMs, pods, log } = options;
    this.#own = new IdentifyGate({
      fetchLimit,
      intervalMs,
      log,
      // All pods must agree on the time, so the system clock counts. It is read again after each wait.
      waitMs: () => slotWaitMs(options, wallNow()),
      // Other pods may identify too, and Discord has not counted those yet.
      reserve: pods,
      confirm: async (shard, signal) => {
        if ((await this.#ask(shard, probeMs(options), signal)) === 'waiting') throw new PodZeroIsBack();
      },
    });
  }

  /** Resolves when this shard may identify. @throws only when `signal` aborts */
  async acquire(shard: number, signal: AbortSignal): Promise<void> {
    const { absentMs, log } = this.#options;
    for (let attempt = 0; ; attempt++) {
      const answer = await this.#ask(shard, this.#absentSince === null ? ASK_MS : probeMs(this.#options), signal);
      if (answer === 'granted') return;
      if (answer === 'absent') {
        if (attempt === 0) log.warn({ shard }, 'pod 0 grants no identify slots; retrying');
        if (elapsed(this.#absentSince ?? monotonicNow()) >= absentMs) {
          const own = await this.#acquireOwn(shard, signal);
          if (own === 'granted') return;
          if (own === 'not-yet') continue;
        }
      }
      await delay(RETRY_BASE_MS + fullJitter(attempt, RETRY_BASE_MS, RETRY_CAP_MS), undefined, { signal });
    }
  }

  /** Asks pod 0, and notes whether it grants slots. @throws only when `signal` aborts */
  async #ask(shard: number, waitMs: Duration, signal: AbortSignal): Promise<PodZero> {
    const request = { method: 'POST', path: PATH.identify, body: { shard }, waitMs, signal } as const;
    const response = await this.#options.peers.ask(GUILDLESS_POD, request);
    const isAbsent = response === null || podStatement(response.status, response.headers) !== null;
    if (!isAbsent) this.#absentSince = null;
    else this.#absentSince ??= monotonicNow();
    if (isAbsent) return 'absent';
    return response.status === 204 ? 'granted' : 'waiting';
  }

  async #acquireOwn(shard: number, signal: AbortSignal): Promise<'granted' | 'not-yet' | 'refused'> {
    const { log } = this.#options;
    const waited = AbortSignal.timeout(OWN_SLOT_MS);
    try {
      await this.#own.acquire(shard, AbortSignal.any([signal, waited]));
      log.warn({ shard }, 'pod 0 grants no identify slots: this pod identifies in its own time slot');
      return 'granted';
    } catch (error) {
      signal.throwIfAborted();
      if (waited.aborted) return 'not-yet';
      if (!(error instanceof PodZeroIsBack)) log.warn({ shard, err: error }, 'cannot get an identify slot; retrying');
      return 'refused';
    }
  }
}

class PodZeroIsBack extends Error {}
