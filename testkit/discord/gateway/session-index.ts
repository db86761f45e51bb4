import { GatewayIntentBits } from 'discord-api-types/v10';
import { shardOf } from '../snowflake.ts';
import { requiredIntents } from './intents.ts';
import type { GatewaySession } from './session.ts';

interface DeliveryOptions {
  /** The data for sessions without the message content intent. Default: the same data. */
  readonly withoutContent?: (() => string) | undefined;
  /** The intents of which a session needs at least one; 0 if it needs none. Default: those of the event. */
  readonly intents?: number | undefined;
}

/** Sessions by id and by shard. Several sessions may have the same shard or different shard counts. */
export class SessionIndex {
  readonly #byId = new Map<string, GatewaySession>();
  /** numShards -> shard -> sessions */
  readonly #byShard = new Map<number, Set<GatewaySession>[]>();

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): GatewaySession | undefined {
    return this.#byId.get(id);
  }

  all(): GatewaySession[] {
    return [...this.#byId.values()];
  }

  add(session: GatewaySession): void {
    const { id, shard, numShards } = session.facts;
    let shards = this.#byShard.get(numShards);
    if (shards === undefined) {
      shards = Array.from({ length: numShards }, () => new Set());
      this.#byShard.set(numShards, shards);
    }
    this.#byId.set(id, session);
    shards[shard]?.add(session);
  }

  remove(session: GatewaySession): void {
    const { id, shard, numShards } = session.facts;
    this.#byId.delete(id);
    const shards = this.#byShard.get(numShards);
    shards?.[shard]?.delete(session);
    if (shards?.every((sessions) => sessions.size === 0)) this.#byShard.delete(numShards);
  }

  /**
   * Sends an event to every session of its shard that has the intent for it.
   * @param json the event's data
   * @returns the number of sessions that received it
   */
  deliver(name: string, guildId: string | null, json: string, options: DeliveryOptions = {}): number {
    const { withoutContent, intents = requiredIntents(name, guildId) } = options;
    let redacted: string | undefined;
    const data = ({ facts }: GatewaySession): string => {
      if (withoutContent === undefined || (facts.intents & GatewayIntentBits.MessageContent) !== 0) return json;
      redacted ??= withoutContent();
      return redacted;
    };
    return this.#each(intents, guildId, (session) => session.dispatch(name, data(session)));
  }

  /** Like `deliver`, with data that differs between sessions. */
  deliverEach(name: string, guildId: string | null, data: (session: GatewaySession) => string): number {
    return this.#each(requiredIntents(name, guildId), guildId, (session) => session.dispatch(name, data(session)));
  }

  #each(required: number, guildId: string | null, act: (session: GatewaySession) => void): number {
    let count = 0;
    for (const [numShards, shards] of this.#byShard) {
      for (const session of shards[shardOf(guildId, numShards)] ?? []) {
        if (required !== 0 && (session.facts.intents & required) === 0) continue;
        act(session);
        count++;
      }
    }
    return count;
  }
}
