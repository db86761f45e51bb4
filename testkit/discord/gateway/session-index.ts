import { GatewayIntentBits } from 'discord-api-types/v10';
import { shardOf } from '../snowflake.ts';
import { requiredIntents } from './intents.ts';
import type { GatewaySession } from './session.ts';

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
   * @param withoutContent the data for sessions without the message content intent; default `json`
   * @returns the number of sessions that received it
   */
  deliver(name: string, guildId: string | null, json: string, withoutContent?: () => string): number {
    const required = requiredIntents(name, guildId);
    let redacted: string | undefined;
    let count = 0;
    for (const [numShards, shards] of this.#byShard) {
      for (const session of shards[shardOf(guildId, numShards)] ?? []) {
        const { intents } = session.facts;
        if (required !== 0 && (intents & required) === 0) continue;
        if (withoutContent === undefined || (intents & GatewayIntentBits.MessageContent) !== 0) {
          session.dispatch(name, json);
        } else {
          redacted ??= withoutContent();
          session.dispatch(name, redacted);
        }
        count++;
      }
    }
    return count;
  }
}
