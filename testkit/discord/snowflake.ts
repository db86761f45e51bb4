import type { Clock } from './clock.ts';

/** The epoch of snowflakes, 2015-01-01T00:00:00Z, in Unix milliseconds. */
const DISCORD_EPOCH = 1_420_070_400_000;

/**
 * A snowflake for a time. `low` has the lower 22 bits: worker, process and increment.
 * @param unixMs Unix milliseconds, not before {@link DISCORD_EPOCH}
 */
export function snowflakeAt(unixMs: number, low: number): string {
  return ((BigInt(Math.floor(unixMs) - DISCORD_EPOCH) << 22n) | BigInt(low)).toString();
}

/** The creation time of a snowflake, in Unix milliseconds. */
export function snowflakeTime(id: string): number {
  return Number(BigInt(id) >> 22n) + DISCORD_EPOCH;
}

/** Discord's sharding formula. Events without a guild belong to shard 0. */
export function shardOf(guildId: string | null, numShards: number): number {
  return guildId === null || numShards === 1 ? 0 : Number((BigInt(guildId) >> 22n) % BigInt(numShards));
}

/** The id `steps` after `id`. Discord gives such ids to objects that are created together with a guild. */
export function snowflakeAfter(id: string, steps: number): string {
  return BigInt.asUintN(64, BigInt(id) + BigInt(steps)).toString();
}

/** Generates strictly increasing ids, up to 4,096 per millisecond. Beyond that it uses the next millisecond. */
export class SnowflakeSource {
  readonly #clock: Clock;
  #lastMs = 0;
  #increment = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  next(): string {
    const now = Math.max(this.#clock.now(), this.#lastMs);
    if (now === this.#lastMs && this.#increment < 4095) {
      this.#increment++;
    } else {
      this.#lastMs = now === this.#lastMs ? now + 1 : now;
      this.#increment = 0;
    }
    return snowflakeAt(this.#lastMs, (1 << 17) | this.#increment);
  }
}
