import type { StatementSync } from 'node:sqlite';
import type { Connection } from '../store/connection.ts';

/** One part of a guild: the guild itself (`id` is empty), or an entry of one of its lists. */
export interface GuildPart {
  readonly part: string;
  readonly id: string;
  readonly value: unknown;
}

/** What a pod keeps on disk for the bot beside it. Write inside {@link BesideStore.write}. */
export class BesideStore {
  readonly #connection: Connection;
  readonly #ids: StatementSync;
  readonly #parts: StatementSync;
  readonly #part: StatementSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;
  readonly #removeList: StatementSync;
  readonly #removeGuild: StatementSync;
  readonly #handed: StatementSync;
  readonly #hand: StatementSync;
  readonly #fact: StatementSync;
  readonly #putFact: StatementSync;

  constructor(connection: Connection) {
    const { sqlite } = connection;
    this.#connection = connection;
    this.#ids = sqlite.prepare('SELECT guild_id AS guildId FROM guildway_bot_guilds WHERE part = ? ORDER BY guild_id');
    this.#parts = sqlite.prepare('SELECT part, id, json FROM guildway_bot_guilds WHERE guild_id = ?');
    this.#part = sqlite.prepare('SELECT json FROM guildway_bot_guilds WHERE guild_id = ? AND part = ? AND id = ?');
    this.#put = sqlite.prepare(
      `INSERT INTO guildway_bot_guilds (guild_id, part, id, json) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET json = excluded.json`,
    );
    this.#remove = sqlite.prepare('DELETE FROM guildway_bot_guilds WHERE guild_id = ? AND part = ? AND id = ?');
    this.#removeList = sqlite.prepare('DELETE FROM guildway_bot_guilds WHERE guild_id = ? AND part = ?');
    this.#removeGuild = sqlite.prepare('DELETE FROM guildway_bot_guilds WHERE guild_id = ?');
    this.#handed = sqlite.prepare('SELECT session_id AS sessionId, sequence FROM guildway_bot_events WHERE shard = ?');
    this.#hand = sqlite.prepare(
      `INSERT INTO guildway_bot_events (shard, session_id, sequence) VALUES (?, ?, ?)
       ON CONFLICT DO UPDATE SET session_id = excluded.session_id, sequence = excluded.sequence`,
    );
    this.#fact = sqlite.prepare('SELECT json FROM guildway_bot_facts WHERE name = ?');
    this.#putFact = sqlite.prepare(
      'INSERT INTO guildway_bot_facts (name, json) VALUES (?, ?) ON CONFLICT DO UPDATE SET json = excluded.json',
    );
  }

  /**
   * Runs `work` in a transaction that commits with others at the end of this turn of the event loop. A power loss may undo it,
   * together with the sequence of the session that delivered the events; a killed process does not.
   * @returns resolves when it is committed
   * @throws GuildwayError STORE_FAILED, FENCED, DATABASE_CORRUPT
   */
  write(work: () => void): Promise<void> {
    this.#connection.join('normal', 'other', work);
    return this.#connection.settled();
  }

  /** Ids of the guilds that have this part. */
  guildsWith(part: string): string[] {
    return this.#ids.all(part).map(({ guildId }) => guildId as string);
  }

  *parts(guildId: string): Iterable<GuildPart> {
    for (const { part, id, json } of this.#parts.all(guildId)) {
      yield { part: part as string, id: id as string, value: JSON.parse(json as string) };
    }
  }

  /** Undefined: there is none. */
  part(guildId: string, part: string, id = ''): unknown {
    const row = this.#part.get(guildId, part, id);
    return row === undefined ? undefined : JSON.parse(row.json as string);
  }

  put(guildId: string, { part, id, value }: GuildPart): void {
    this.#put.run(guildId, part, id, JSON.stringify(value));
  }

  /** @returns whether there was one */
  remove(guildId: string, part: string, id = ''): boolean {
    return Number(this.#remove.run(guildId, part, id).changes) > 0;
  }

  removeList(guildId: string, part: string): void {
    this.#removeList.run(guildId, part);
  }

  removeGuild(guildId: string): void {
    this.#removeGuild.run(guildId);
  }

  /** The last event of a shard that was handed to the bot, or null. */
  handed(shard: number): { readonly sessionId: string; readonly sequence: number } | null {
    return (this.#handed.get(shard) as { sessionId: string; sequence: number } | undefined) ?? null;
  }

  noteHanded(shard: number, sessionId: string, sequence: number): void {
    this.#hand.run(shard, sessionId, sequence);
  }

  /** Undefined: unknown. */
  fact(name: string): unknown {
    const row = this.#fact.get(name);
    return row === undefined ? undefined : JSON.parse(row.json as string);
  }

  putFact(name: string, value: unknown): void {
    this.#putFact.run(name, JSON.stringify(value));
  }
}
