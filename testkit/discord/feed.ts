import type { APIMessage } from 'discord-api-types/v10';
import type { InteractionSummary } from './interactions/result.ts';

/** An event in the simulator, for the console and for tests. */
export type FeedEvent =
  | {
      readonly type: 'message';
      readonly guildId: string | null;
      readonly visibleTo: string | null;
      readonly message: APIMessage;
    }
  | {
      readonly type: 'message_update';
      readonly guildId: string | null;
      readonly visibleTo: string | null;
      readonly message: APIMessage;
    }
  | {
      readonly type: 'message_delete';
      readonly guildId: string | null;
      readonly channelId: string;
      readonly messageId: string;
    }
  | { readonly type: 'interaction'; readonly interaction: InteractionSummary }
  | { readonly type: 'completed'; readonly id: string; readonly elapsedMs: number; readonly messageId: string | null }
  | {
      readonly type: 'gateway';
      readonly event: string;
      readonly shard: number;
      readonly numShards: number;
      readonly sessionId: string | null;
      readonly code?: number;
    }
  | { readonly type: 'webhook'; readonly event: string; readonly attempts: number; readonly acknowledged: boolean }
  | { readonly type: 'commands'; readonly guildId: string | null; readonly count: number }
  | { readonly type: 'unknown_route'; readonly route: string }
  | { readonly type: 'violation'; readonly rule: string; readonly detail: string };

/** Publishes events to subscribers. Costs nothing without subscribers. */
export class Feed {
  readonly #listeners = new Set<(event: FeedEvent) => void>();

  get active(): boolean {
    return this.#listeners.size > 0;
  }

  publish(event: FeedEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** @returns a function that ends the subscription */
  subscribe(listener: (event: FeedEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
