import { once } from 'node:events';
import { fullJitter } from '../../link/backoff.ts';
import type { Logger } from '../../observability/log.ts';
import { pause } from './pause.ts';

export interface IdentifyTurnsOptions {
  /** Resolves when the shard may identify. Rejects when aborted, or when the limits are unknown at present. */
  readonly acquire: (shard: number, signal: AbortSignal) => Promise<void>;
  /** Aborts when this process disconnects from Discord. */
  readonly stopping: AbortSignal;
  readonly log: Logger;
}

/**
 * Makes the library's shards wait before they identify. The library treats an unexpected rejection as permission to identify,
 * and a shard whose connection was replaced while it waited would identify on the new one. So no shard passes without a slot.
 * Only the latest wait of each shard counts; an obsolete one never ends.
 */
export class IdentifyTurns {
  readonly #options: IdentifyTurnsOptions;
  readonly #latest = new Map<number, AbortController>();
  /** Identifies of a shard that led to no session. */
  readonly #fruitless = new Map<number, number>();

  constructor(options: IdentifyTurnsOptions) {
    this.#options = options;
  }

  /** Notes that the shard has a session: its last identify was not refused. */
  succeeded(shard: number): void {
    this.#fruitless.delete(shard);
  }

  /** Resolves when this shard may identify. @throws only after `closed` aborted: its connection is gone */
  async wait(shard: number, closed: AbortSignal): Promise<void> {
    const { stopping, log } = this.#options;
    this.#latest.get(shard)?.abort();
    const latest = new AbortController();
    this.#latest.set(shard, latest);
    const signal = AbortSignal.any([closed, stopping, latest.signal]);
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        await this.#acquire(shard, signal);
        return;
      } catch (error) {
        if (signal.aborted) break;
        log.warn({ shard, err: error }, 'cannot get an identify slot; retrying');
        await pause(500 + fullJitter(attempt, 500, 30_000), signal);
      }
    }
    if (!closed.aborted) await once(closed, 'abort');
    throw closed.reason;
  }

  async #acquire(shard: number, signal: AbortSignal): Promise<void> {
    const fruitless = this.#fruitless.get(shard) ?? 0;
    // Discord requires a pause after it rejects an identify. A shard that is rejected all day must not use up the day's
    // identifies.
    if (fruitless > 0) await pause(1_000 + fullJitter(fruitless, 500, 300_000), signal);
    await this.#options.acquire(shard, signal);
    signal.throwIfAborted();
    this.#fruitless.set(shard, fruitless + 1);
  }
}
