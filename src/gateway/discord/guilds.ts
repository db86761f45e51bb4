import type { GatewayDispatchPayload } from 'discord-api-types/v10';
import type { SessionStore } from '../discord-seam.ts';

/** The guild that a dispatch is about, or null. */
export function guildOfDispatch({ t: name, d: data }: GatewayDispatchPayload): string | null {
  if (typeof data !== 'object' || data === null) return null;
  const { id, guild_id: guildId } = data as { id?: unknown; guild_id?: unknown };
  if (typeof guildId === 'string') return guildId;
  const isGuild = name === 'GUILD_CREATE' || name === 'GUILD_UPDATE' || name === 'GUILD_DELETE';
  return isGuild && typeof id === 'string' ? id : null;
}

/**
 * The guilds of this pod that Discord has named, by shard: ids only, everything else is the bot's. They are kept with the
 * session, because a process that resumes it is not told them again.
 */
export class OwnedGuilds {
  readonly #store: Pick<SessionStore, 'readGuilds' | 'writeGuilds'>;
  readonly #byShard = new Map<number, Set<string>>();
  readonly #changed = new Set<number>();

  constructor(store: Pick<SessionStore, 'readGuilds' | 'writeGuilds'>) {
    this.#store = store;
  }

  get size(): number {
    let sum = 0;
    for (const ids of this.#byShard.values()) sum += ids.size;
    return sum;
  }

  *ids(): Iterable<string> {
    for (const ids of this.#byShard.values()) yield* ids;
  }

  /** The shard is about to resume a session of an earlier process. @throws what the store throws */
  restore(shard: number): void {
    if (!this.#byShard.has(shard)) this.#byShard.set(shard, new Set(this.#store.readGuilds(shard)));
  }

  /** A new session names all guilds of its shard: those that the bot has left meanwhile are not among them. */
  replace(shard: number, guildIds: readonly string[]): void {
    this.#byShard.set(shard, new Set(guildIds));
    this.#changed.add(shard);
  }

  /** Follows a dispatch about a guild that this pod owns. */
  follow({ t: name, d: data }: GatewayDispatchPayload, guildId: string, shard: number): void {
    const ids = this.#byShard.get(shard) ?? new Set();
    this.#byShard.set(shard, ids);
    const { size } = ids;
    if (name === 'GUILD_CREATE') ids.add(guildId);
    // An outage is not a farewell.
    else if (name === 'GUILD_DELETE' && (data as { unavailable?: boolean }).unavailable !== true) ids.delete(guildId);
    if (ids.size !== size) this.#changed.add(shard);
  }

  /** Stores what has changed. @returns whether anything had @throws what the store throws; it is stored the next time then */
  persist(): boolean {
    const changed = [...this.#changed];
    for (const shard of changed) {
      this.#store.writeGuilds(shard, this.#byShard.get(shard) ?? new Set());
      this.#changed.delete(shard);
    }
    return changed.length > 0;
  }
}
