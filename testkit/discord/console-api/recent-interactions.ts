import type { InteractionSummary } from '../interactions/result.ts';
import type { DiscordSimulator } from '../simulator.ts';

const KEPT = 200;

/** The last interactions. Nothing is kept before somebody looks, so that load tests do not pay for it. */
export class RecentInteractions {
  readonly #simulator: DiscordSimulator;
  readonly #kept: InteractionSummary[] = [];
  #unwatch: (() => void) | null = null;

  constructor(simulator: DiscordSimulator) {
    this.#simulator = simulator;
  }

  start(): void {
    this.#unwatch ??= this.#simulator.watch((event) => {
      if (event.type !== 'interaction') return;
      this.#kept.push(event.interaction);
      if (this.#kept.length > KEPT) this.#kept.shift();
    });
  }

  /** Newest first. */
  list(): InteractionSummary[] {
    return this.#kept.toReversed();
  }

  stop(): void {
    this.#unwatch?.();
  }
}
