/** Counts what runs for each guild: requests, deliveries and events whose handlers have not ended. */
export class GuildActivity {
  readonly #running = new Map<string, number>();
  /** Resolved when a guild falls idle. */
  readonly #idle = new Map<string, PromiseWithResolvers<void>>();

  /** @returns a function to call once, when the handler has ended */
  enter(guildId: string): () => void {
    this.#running.set(guildId, (this.#running.get(guildId) ?? 0) + 1);
    return () => this.#leave(guildId);
  }

  isBusy(guildId: string): boolean {
    return this.#running.has(guildId);
  }

  /** Whether anything runs for a guild that the condition holds for. */
  someBusy(condition: (guildId: string) => boolean): boolean {
    return this.#running.keys().some(condition);
  }

  /** Resolves when nothing runs for any of these guilds. */
  async idle(guildIds: Iterable<string>): Promise<void> {
    for (const guildId of guildIds) {
      if (!this.#running.has(guildId)) continue;
      let idle = this.#idle.get(guildId);
      if (idle === undefined) {
        idle = Promise.withResolvers();
        this.#idle.set(guildId, idle);
      }
      await idle.promise;
    }
  }

  #leave(guildId: string): void {
    const left = (this.#running.get(guildId) ?? 0) - 1;
    if (left > 0) {
      this.#running.set(guildId, left);
      return;
    }
    this.#running.delete(guildId);
    this.#idle.get(guildId)?.resolve();
    this.#idle.delete(guildId);
  }
}
