import type { DatabaseSync } from 'node:sqlite';
import {
  type Attempt,
  applyWrites,
  type Chain,
  type GuildRecord,
  type MovingState,
  type Write,
} from '../../../moving/state.ts';
import type { Connection } from '../connection.ts';
import { nullable, number, oneOf, query, type RowOf, text } from '../rows.ts';
import type { Leftovers } from './leftovers.ts';

const RECORD = {
  guildId: text,
  state: oneOf('arriving', 'awaiting', 'here', 'moved'),
  epoch: number,
  peer: nullable(number),
  incarnation: nullable(number),
  counter: nullable(number),
  confirmed: number,
};

/**
 * The persistent part of {@link MovingState}: one record for each guild that has moved or is moving, and the state that no
 * single guild owns.
 */
export class MovingRecords {
  readonly #connection: Connection;
  readonly #leftovers: Leftovers;
  readonly #statements: ReturnType<typeof prepare>;

  /** @param leftovers receives guilds whose rows turn out not to belong to this pod */
  constructor(connection: Connection, leftovers: Leftovers) {
    this.#connection = connection;
    this.#leftovers = leftovers;
    this.#statements = prepare(connection.sqlite);
  }

  /** Reads the state; `initial` fills in what was never written. */
  load(initial: MovingState): MovingState {
    const state = { ...initial, records: this.all(), ...this.#shared() };
    return state;
  }

  all(): Map<string, GuildRecord> {
    const rows = this.#statements.list.all();
    return new Map(rows.map((row) => [row.guildId, recordOf(row)]));
  }

  /** Null: the topologies alone decide the owner. */
  read(guildId: string): GuildRecord | null {
    const row = this.#statements.read.get(guildId);
    return row === undefined ? null : recordOf(row);
  }

  /**
   * Writes the persistent changes. Inside a transaction they commit with it; otherwise they are on disk when this returns.
   * @param state the state before the changes; call {@link applyWrites} after the commit
   * @throws GuildwayError STORE_FAILED, FENCED
   */
  write(state: MovingState, writes: readonly Write[]): void {
    const work = (): void => {
      for (const write of writes) {
        if (write.kind === 'record') this.#writeRecord(write.guild, write.record);
        else if (write.kind === 'forget') this.#forget(write.guild);
        else if (write.kind === 'settled') this.#settle(write.epoch);
      }
      if (writes.some(({ kind }) => SHARED.has(kind))) this.#writeShared(state, writes);
    };
    if (this.#connection.inTransaction) work();
    else this.#connection.transaction('full', work);
  }

  #shared(): Pick<MovingState, 'chain' | 'done' | 'recovering' | 'completeTo'> | undefined {
    const row = this.#statements.readShared.get();
    if (row === undefined) return undefined;
    const done = JSON.parse(row.done) as [number, number[]][];
    return {
      chain: JSON.parse(row.chain) as Chain,
      done: new Map(done.map(([pod, epochs]) => [pod, new Set(epochs)])),
      recovering: new Set(JSON.parse(row.recovering) as number[]),
      completeTo: row.completeTo,
    };
  }

  #forget(guildId: string): void {
    const state = this.read(guildId)?.state;
    if (state === 'arriving' || state === 'awaiting') this.#leftovers.add(guildId);
    this.#statements.forget.run(guildId);
  }

  #settle(epoch: number): void {
    // A guild that is still arriving was never given to this pod.
    for (const row of this.#statements.arriving.all(epoch)) this.#leftovers.add(row.guildId);
    this.#statements.settle.run(epoch);
  }

  #writeRecord(guildId: string, record: GuildRecord): void {
    // A restored pod learns that it had given the guild away: its rows are stale.
    if (record.state === 'moved' && this.read(guildId)?.state !== 'moved') this.#leftovers.add(guildId);
    if (record.state === 'here') this.#leftovers.remove(guildId);
    const peer = 'to' in record ? record.to : 'from' in record ? record.from : null;
    const [incarnation, counter] = 'attempt' in record ? record.attempt : [null, null];
    const confirmed = record.state === 'moved' && record.confirmed ? 1 : 0;
    this.#statements.write.run(guildId, record.state, record.epoch, peer, incarnation, counter, confirmed);
  }

  #writeShared(state: MovingState, writes: readonly Write[]): void {
    const next: MovingState = {
      ...state,
      records: new Map(),
      parcels: new Map(),
      leaving: new Set(),
      done: new Map(state.done),
      recovering: new Set(state.recovering),
    };
    applyWrites(next, writes);
    this.#statements.writeShared.run(
      JSON.stringify(next.chain),
      JSON.stringify([...next.done].map(([pod, epochs]) => [pod, [...epochs]])),
      JSON.stringify([...next.recovering]),
      next.completeTo,
    );
  }
}

/** The guilds whose records change, with the epoch of their move. */
export const recordedGuilds = (writes: readonly Write[]): { readonly guildId: string; readonly epoch: number }[] =>
  writes.flatMap((write) => (write.kind === 'record' ? [{ guildId: write.guild, epoch: write.record.epoch }] : []));

/** Changes to state that no single guild owns. */
const SHARED: ReadonlySet<Write['kind']> = new Set(['chain', 'done', 'settled', 'recovering', 'heard']);

function recordOf({ state, epoch, peer, incarnation, counter, confirmed }: RowOf<typeof RECORD>): GuildRecord {
  // In states without a peer or an attempt, these columns are NULL and unused.
  const pod = peer ?? -1;
  const attempt: Attempt = [incarnation ?? 0, counter ?? 0];
  switch (state) {
    case 'arriving':
      return { state, epoch, from: pod, attempt };
    case 'moved':
      return { state, epoch, to: pod, attempt, confirmed: confirmed === 1 };
    case 'awaiting':
      return { state, epoch, from: pod };
    case 'here':
      return { state, epoch };
  }
}

function prepare(sqlite: DatabaseSync) {
  const columns = 'guild_id AS guildId, state, epoch, peer, incarnation, counter, confirmed';
  return {
    list: query(sqlite, `SELECT ${columns} FROM guildway_guild_records`, RECORD),
    read: query(sqlite, `SELECT ${columns} FROM guildway_guild_records WHERE guild_id = ?`, RECORD),
    write: sqlite.prepare(
      `INSERT INTO guildway_guild_records (guild_id, state, epoch, peer, incarnation, counter, confirmed)
       VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET state = excluded.state, epoch = excluded.epoch, peer = excluded.peer,
         incarnation = excluded.incarnation, counter = excluded.counter, confirmed = excluded.confirmed`,
    ),
    forget: sqlite.prepare('DELETE FROM guildway_guild_records WHERE guild_id = ?'),
    arriving: query(
      sqlite,
      "SELECT guild_id AS guildId FROM guildway_guild_records WHERE epoch <= ? AND state = 'arriving'",
      { guildId: text },
    ),
    settle: sqlite.prepare("DELETE FROM guildway_guild_records WHERE epoch <= ? AND state IN ('here', 'arriving')"),
    readShared: query(sqlite, 'SELECT chain, done, recovering, complete_to AS completeTo FROM guildway_moving', {
      chain: text,
      done: text,
      recovering: text,
      completeTo: number,
    }),
    writeShared: sqlite.prepare(
      `INSERT INTO guildway_moving (id, chain, done, recovering, complete_to) VALUES (1, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET chain = excluded.chain, done = excluded.done, recovering = excluded.recovering,
         complete_to = excluded.complete_to`,
    ),
  };
}
