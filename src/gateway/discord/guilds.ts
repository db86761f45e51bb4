import type { GatewayDispatchPayload } from 'discord-api-types/v10';

/** The guild that a dispatch is about, or null. */
export function guildOfDispatch({ t: name, d: data }: GatewayDispatchPayload): string | null {
  if (typeof data !== 'object' || data === null) return null;
  const { id, guild_id: guildId } = data as { id?: unknown; guild_id?: unknown };
  if (typeof guildId === 'string') return guildId;
  const isGuild = name === 'GUILD_CREATE' || name === 'GUILD_UPDATE' || name === 'GUILD_DELETE';
  return isGuild && typeof id === 'string' ? id : null;
}

/** The guilds of this pod that Discord has named: ids only, everything else is the bot's. */
export class OwnedGuilds {
  readonly #ids = new Set<string>();

  get size(): number {
    return this.#ids.size;
  }

  ids(): Iterable<string> {
    return this.#ids;
  }

  add(guildId: string): void {
    this.#ids.add(guildId);
  }

  /** Follows a dispatch about a guild that this pod owns. */
  follow({ t: name, d: data }: GatewayDispatchPayload, guildId: string): void {
    if (name === 'GUILD_CREATE') this.#ids.add(guildId);
    // An outage is not a farewell.
    else if (name === 'GUILD_DELETE' && (data as { unavailable?: boolean }).unavailable !== true)
      this.#ids.delete(guildId);
  }
}
