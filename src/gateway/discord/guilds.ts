import type { GatewayDispatchPayload } from 'discord-api-types/v10';
import type { GuildEvent, SessionStore } from '../discord-seam.ts';

/** The guild of a dispatch, or null. */
export function guildOfDispatch({ t: name, d: data }: GatewayDispatchPayload): string | null {
  if (typeof data !== 'object' || data === null) return null;
  const { id, guild_id: guildId } = data as { id?: unknown; guild_id?: unknown };
  if (typeof guildId === 'string') return guildId;
  const isGuild = name === 'GUILD_CREATE' || name === 'GUILD_UPDATE' || name === 'GUILD_DELETE';
  return isGuild && typeof id === 'string' ? id : null;
}

type GuildStore = Pick<SessionStore, 'readGuilds' | 'writeGuilds' | 'isListed'>;

/**
 * This pod's guilds that Discord has listed, by shard: ids only. They are stored with the session, because Discord does not
 * list them again on a resume.
 */
export class OwnedGuilds {
  readonly #store: GuildStore;
  readonly #byShard = new Map<number, Set<string>>();
  readonly #changed = new Set<number>();

  constructor(store: GuildStore) {
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

  /** The shard is about to resume a session of an earlier process. @throws the errors of the store */
  restore(shard: number): void {
    if (!this.#byShard.has(shard)) this.#byShard.set(shard, new Set(this.#store.readGuilds(shard)));
  }

  /** A new session lists all guilds of its shard. Guilds that the bot has left are missing from the list. */
  replace(shard: number, guildIds: readonly string[]): void {
    this.#byShard.set(shard, new Set(guildIds));
    this.#changed.add(shard);
  }

  /** Follows a dispatch about a guild that this pod owns. */
  follow({ name, data }: Pick<GuildEvent, 'name' | 'data'>, guildId: string, shard: number): void {
    const ids = this.#byShard.get(shard) ?? new Set();
    this.#byShard.set(shard, ids);
    const { size } = ids;
    if (name === 'GUILD_CREATE') ids.add(guildId);
    // An outage does not mean that the bot has left.
    else if (name === 'GUILD_DELETE' && (data as { unavailable?: boolean }).unavailable !== true) ids.delete(guildId);
    if (ids.size !== size) this.#changed.add(shard);
  }

  /** A guild has come from another pod. @param isListed a session of this pod has listed it */
  arrived(guildId: string, shard: number, isListed: boolean): void {
    if (!isListed && !this.#store.isListed(guildId)) return;
    const ids = this.#byShard.get(shard) ?? new Set();
    this.#byShard.set(shard, ids.add(guildId));
    this.#changed.add(shard);
  }

  /** A guild has been given to another pod. */
  left(guildId: string): void {
    for (const [shard, ids] of this.#byShard) if (ids.delete(guildId)) this.#changed.add(shard);
  }

  /** The session of a shard has ended, because its guilds have left. */
  drop(shard: number): void {
    this.#byShard.delete(shard);
    this.#changed.delete(shard);
  }

  /** Stores the changes. @returns whether there were any @throws the errors of the store; the next call stores them then */
  persist(): boolean {
    const changed = [...this.#changed];
    for (const shard of changed) {
      this.#store.writeGuilds(shard, this.#byShard.get(shard) ?? new Set());
      this.#changed.delete(shard);
    }
    return changed.length > 0;
  }
}
