import { randomUUID } from 'node:crypto';
import { type Duration, elapsed, type MonotonicTime } from '../../time.ts';
import type { EventHandover, OfferedEvents } from '../discord-seam.ts';
import type { EventTransit } from './event-transit.ts';
import type { ShardSet } from './shard-set.ts';

/** Tells the other pods whether guilds can move without losing an event. See {@link EventHandover}. */
export class SessionHandover implements EventHandover {
  readonly #shards: ShardSet;
  readonly #transit: EventTransit;
  readonly #skewMs: Duration;
  readonly #process = randomUUID();

  /** @param skewMs how far apart two sessions may receive the same event */
  constructor(shards: ShardSet, transit: EventTransit, skewMs: Duration) {
    this.#shards = shards;
    this.#transit = transit;
    this.#skewMs = skewMs;
  }

  get holding(): string | null {
    const since = this.#withoutGapSince(this.#shards.chainSince);
    return since === null ? null : `${this.#process} ${since}`;
  }

  get recordedMs(): Duration | null {
    const { recordingSince } = this.#transit;
    // What a resumed session delivers is recorded, too.
    return this.#withoutGapSince(recordingSince) === null ? null : elapsed(recordingSince);
  }

  refusal(guildIds: readonly string[], offered: OfferedEvents | null): string | null {
    const { holding } = this;
    if (holding === null || offered?.holding !== holding)
      return 'this pod has not received the events of all its shards for long enough';
    return this.#transit.refusal(guildIds, offered);
  }

  imported(guildIds: readonly string[]): void {
    this.#transit.imported(guildIds);
  }

  /** The later of a moment and the last gap in the events, if that is long enough ago. */
  #withoutGapSince(moment: MonotonicTime): MonotonicTime | null {
    const current = this.#shards.allCurrentSince;
    if (current === null) return null;
    const since = current > moment ? current : moment;
    return elapsed(since) < this.#skewMs ? null : since;
  }
}
