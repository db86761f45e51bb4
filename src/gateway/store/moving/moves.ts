import type { StatementSync } from 'node:sqlite';
import type { Connection } from '../connection.ts';

/**
 * - `leaving`: this pod serves the guild, and is giving it to `peer`
 * - `moved`: the guild is at `peer`
 * - `arriving`: its rows are here; `peer` still has it
 * - `here`: this pod has it from `peer`
 */
export type GuildMoveState = 'leaving' | 'moved' | 'arriving' | 'here';

/** What this pod knows of a guild that has moved or is moving. */
export interface GuildMove {
  readonly guildId: string;
  readonly state: GuildMoveState;
  /** The ordinal of the other pod. */
  readonly peer: number;
  /** Grows with each move of the guild. */
  readonly version: number;
  /** Of the topology that moves it. */
  readonly epoch: number;
}

const COLUMNS = 'guild_id AS guildId, state, peer, version, epoch';

/** `guildway_guild_moves`: one record for each guild that has moved or is moving. */
export class GuildMoves {
  readonly #connection: Connection;
  readonly #read: StatementSync;
  readonly #list: StatementSync;
  readonly #listState: StatementSync;
  readonly #write: StatementSync;
  readonly #forget: StatementSync;

  constructor(connection: Connection) {
    const { sqlite } = connection;
    this.#connection = connection;
    this.#read = sqlite.prepare(`SELECT ${COLUMNS} FROM guildway_guild_moves WHERE guild_id = ?`);
    this.#list = sqlite.prepare(`SELECT ${COLUMNS} FROM guildway_guild_moves ORDER BY guild_id`);
    this.#listState = sqlite.prepare(`SELECT ${COLUMNS} FROM guildway_guild_moves WHERE state = ? ORDER BY guild_id`);
    this.#write = sqlite.prepare(
      `INSERT INTO guildway_guild_moves (guild_id, state, peer, version, epoch) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET state = excluded.state, peer = excluded.peer, version = excluded.version,
         epoch = excluded.epoch`,
    );
    this.#forget = sqlite.prepare('DELETE FROM guildway_guild_moves WHERE guild_id = ?');
  }

  /** Null: it is where the topology says. */
  read(guildId: string): GuildMove | null {
    const row = this.#read.get(guildId);
    return row === undefined ? null : ({ ...row } as unknown as GuildMove);
  }

  list(state: GuildMoveState | 'all'): GuildMove[] {
    const rows = state === 'all' ? this.#list.all() : this.#listState.all(state);
    return rows.map((row) => ({ ...row })) as unknown as GuildMove[];
  }

  /** On disk when this returns, all of them or none; inside a transaction, with it. @throws GuildwayError STORE_FAILED, FENCED */
  write(moves: readonly GuildMove[]): void {
    this.#inTransaction(() => {
      for (const { guildId, state, peer, version, epoch } of moves)
        this.#write.run(guildId, state, peer, version, epoch);
    });
  }

  /** The guilds are where the topology says from now on. */
  forget(guildIds: readonly string[]): void {
    this.#inTransaction(() => {
      for (const guildId of guildIds) this.#forget.run(guildId);
    });
  }

  #inTransaction(work: () => void): void {
    if (this.#connection.inTransaction) work();
    else this.#connection.transaction('full', work);
  }
}
