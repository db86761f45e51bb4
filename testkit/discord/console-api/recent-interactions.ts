import type { InteractionSummary } from '../interactions/result.ts';
import type { DiscordSimulator } from '../simulator.ts';

const KEPT = 200;

/** `completedMs`: the time from sending a deferred interaction to its completion. */
type KeptInteraction = InteractionSummary & { completedMs?: number };

/** The last interactions. Starts with the first request to the console, so load tests do not pay for it. */
export class RecentInteractions {
  readonly #simulator: DiscordSimulator;
  readonly #kept: KeptInteraction[] = [];
  #unwatch: (() => void) | null = null;

  constructor(simulator: DiscordSimulator) {
    this.#simulator = simulator;
  }

  start(): void {
    this.#unwatch ??= this.#simulator.watch((event) => {
      if (event.type === 'interaction') {
        this.#kept.push({ ...event.interaction });
        if (this.#kept.length > KEPT) this.#kept.shift();
      } else if (event.type === 'completed') {
        const completed = this.#kept.findLast(({ id }) => id === event.id);
        if (completed !== undefined) completed.completedMs = event.elapsedMs;
      }
    });
  }

  /** Newest first. */
  list(): KeptInteraction[] {
    return this.#kept.toReversed();
  }

  stop(): void {
    this.#unwatch?.();
  }
}
