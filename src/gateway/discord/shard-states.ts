/**
 * `connecting`: no session yet, or not any more. `paused`: left on purpose, because too many events wait for their handlers.
 * `failed`: Discord closed it permanently.
 */
export type ShardState = 'connecting' | 'ready' | 'paused' | 'failed';

interface Entry {
  readonly shard: number;
  state: ShardState;
  why: string | null;
  latencyMs: number | null;
}

/** How this pod's shards are. */
export class ShardStates {
  readonly #entries = new Map<number, Entry>();

  /** A shard that has failed stays so. */
  set(shard: number, state: ShardState, why: string | null = null): void {
    const entry = this.#entries.get(shard);
    if (entry === undefined) this.#entries.set(shard, { shard, state, why, latencyMs: null });
    else if (entry.state !== 'failed') Object.assign(entry, { state, why });
  }

  get(shard: number): ShardState | undefined {
    return this.#entries.get(shard)?.state;
  }

  setLatency(shard: number, latencyMs: number): void {
    const entry = this.#entries.get(shard);
    if (entry !== undefined) entry.latencyMs = latencyMs;
  }

  list(): Readonly<Entry>[] {
    return [...this.#entries.values()].map((entry) => ({ ...entry }));
  }

  counts(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { state } of this.#entries.values()) counts[state] = (counts[state] ?? 0) + 1;
    return counts;
  }

  /** Why this pod is not ready. */
  reasons(): string[] {
    return [...this.#entries.values()]
      .filter(({ state }) => state !== 'ready')
      .map(({ shard, state, why }) => `Discord: shard ${shard} is ${state}${why === null ? '' : `: ${why}`}`);
  }
}
