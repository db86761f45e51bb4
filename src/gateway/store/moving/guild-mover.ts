import type { StatementSync } from 'node:sqlite';
import { GuildwayError } from '../../../errors.ts';
import type { MovingState, Write } from '../../../moving/state.ts';
import { asWallTime, type WallClock } from '../../../time.ts';
import type { Durability } from '../commit-group.ts';
import type { Connection } from '../connection.ts';
import type { GuildTables } from '../guild-tables.ts';
import type { KeyRanges } from '../key-ranges.ts';
import { ChunkReader, readJson } from './chunks.ts';
import { type End, exportRows, type Head, openSnapshot, RowReader } from './export.ts';
import { type Imported, Importer } from './import.ts';
import { Leftovers } from './leftovers.ts';
import { LiveCopy } from './live-copy.ts';
import { damaged } from './move-errors.ts';
import { type MovedTable, movedTables } from './moved-tables.ts';
import { MovingRecords, recordedGuilds } from './moving-records.ts';
import { partOfCopy } from './part-of-copy.ts';
import { type MoveSchema, readSchema } from './schema.ts';
import { compress, SetAside, type SetAsideGuild } from './set-aside.ts';
import { unobserved } from './unobserved.ts';

export interface GuildMoverOptions {
  readonly connection: Connection;
  readonly path: string;
  readonly guildTables: GuildTables;
  readonly keyRanges: KeyRanges;
  readonly ordinal: number;
  readonly now: WallClock;
  /** Called when hints have come or gone with their guilds. */
  readonly onHintsMoved: () => void;
}

/** What a step of the protocol writes beside the rows, in the same transaction. */
export interface Recorded {
  /** Before the step: its caller takes the writes over when the method has returned. */
  readonly state: MovingState;
  /** Their records say which guilds of the copy are meant. */
  readonly writes: readonly Write[];
}

/** A copy that is written part by part. After an error it is over: dispose of it. */
export interface LiveImport extends Disposable {
  /** Writes a chunk, in a transaction of its own. @throws GuildwayError MOVE_DAMAGED, MOVE_REFUSED, STORE_FAILED, FENCED */
  apply(chunk: Uint8Array): void;
  /** Writes the last changes and the record in one transaction, on disk when this returns. @throws as {@link apply} */
  finish(chunks: readonly Uint8Array[], recorded: Recorded): Imported;
}

/**
 * Takes guilds out of this pod's database and puts them into it: the rows of every table that the bot declares and what Guildway
 * knows of the guilds. It decides nothing: its caller keeps to the protocol of moves, and passes the records that a step writes.
 * Each step is one transaction, whatever the number of guilds.
 */
export class GuildMover {
  readonly records: MovingRecords;
  readonly setAside: SetAside;
  readonly tables: readonly MovedTable[];
  /** What the other pod's database must have in common with this one. */
  readonly schema: MoveSchema;
  readonly #options: GuildMoverOptions;
  readonly #reader: RowReader;
  readonly #leftovers: Leftovers;
  readonly #countHints: StatementSync;

  constructor(options: GuildMoverOptions) {
    const { connection, guildTables, now } = options;
    this.#options = options;
    this.setAside = new SetAside(connection, now);
    this.tables = movedTables(connection.sqlite, guildTables);
    this.schema = readSchema(connection.sqlite, this.tables);
    this.#reader = new RowReader(connection.sqlite);
    this.#countHints = connection.sqlite.prepare(
      'SELECT count(*) AS count FROM guildway_hints WHERE guild_id IN (SELECT value FROM json_each(?))',
    );
    this.#leftovers = new Leftovers(connection.sqlite, this.tables);
    this.records = new MovingRecords(connection, this.#leftovers);
  }

  /**
   * A copy of guilds that nobody writes to meanwhile, or that {@link removeGuilds} finds changed. It is one snapshot, however long
   * the caller takes, and holds no lock. Ends with the copy, or when the caller breaks off.
   * @yields chunks of about 64 KiB, or of one row where that is larger
   */
  *exportGuilds(guildIds: readonly string[]): Generator<Buffer, End> {
    const { connection, path, now } = this.#options;
    // What is written and not committed yet is part of it.
    connection.transaction('full', () => {});
    const snapshot = openSnapshot(path);
    try {
      return yield* exportRows(new RowReader(snapshot), this.tables, this.schema, { guildIds, now: now() });
    } finally {
      snapshot.close();
    }
  }

  /**
   * Writes guilds of a copy and their records in one transaction: all of it is on disk when this returns, or nothing.
   * @param chunks those of {@link exportGuilds} or {@link exportSetAside}, in order
   * @throws GuildwayError MOVE_DAMAGED; MOVE_REFUSED when the schemas differ, when a key is taken, or when a guild is this pod's;
   *   STORE_FAILED, FENCED, DATABASE_CORRUPT
   */
  importGuilds(chunks: readonly Uint8Array[], recorded: Recorded): Imported {
    const guildIds = recordedGuilds(recorded.writes).map(({ guildId }) => guildId);
    const copy = this.#copyOf(chunks, guildIds);
    return this.#write(guildIds, () => {
      this.#removeStale(guildIds);
      const importer = this.#importer();
      for (const chunk of copy) importer.apply(chunk);
      const imported = importer.finish();
      this.#options.keyRanges.advance();
      this.records.write(recorded.state, recorded.writes);
      return imported;
    });
  }

  /**
   * Gives guilds away: removes their rows, keeps a copy of them, and writes their records, in one transaction.
   * @param chunks the copy that the new owner has
   * @throws GuildwayError MOVE_OUTDATED when rows have changed since the copy was made; STORE_FAILED, FENCED, DATABASE_CORRUPT.
   *   Nothing has changed then.
   */
  removeGuilds(chunks: readonly Uint8Array[], recorded: Recorded): void {
    const guilds = recordedGuilds(recorded.writes);
    const guildIds = guilds.map(({ guildId }) => guildId);
    const copy = this.#copyOf(chunks, guildIds);
    const compressed = copy.map(compress);
    const batch = this.setAside.begin();
    try {
      this.#write(guildIds, () => {
        this.#assertUnchanged(endsOf(copy));
        this.#deleteRows(guildIds);
        this.setAside.add(batch, 0, compressed);
        this.setAside.keep(batch, guilds);
        this.records.write(recorded.state, recorded.writes);
        for (const guildId of guildIds) this.#leftovers.remove(guildId);
      });
    } finally {
      this.setAside.drop(batch);
    }
  }

  /**
   * Copies of guilds that this pod has given away, for a new owner that has lost them: one for each batch that they went in. A guild
   * whose copy is not kept any more is in none.
   */
  *exportSetAside(
    guilds: readonly SetAsideGuild[],
  ): Generator<{ readonly guildIds: string[]; readonly chunks: Buffer[] }> {
    const batches = Map.groupBy(guilds, ({ guildId, epoch }) => this.setAside.find(guildId, epoch));
    for (const [batch, wanted] of batches) {
      if (batch === null) continue;
      const copy = this.setAside.read(batch);
      const guildIds = wanted.map(({ guildId }) => guildId);
      const isWhole = guildIds.length === copy.guildIds.length;
      yield isWhole ? copy : { guildIds, chunks: [...partOfCopy(copy.chunks, guildIds, this.tables)] };
    }
  }

  /** A copy of a large guild that is made while it is served. Call `base` in the same turn. */
  copyLive(guildId: string): LiveCopy {
    const { connection, path, now } = this.#options;
    return new LiveCopy(guildId, {
      ...{ connection, path, now, tables: this.tables, schema: this.schema, setAside: this.setAside },
    });
  }

  /**
   * Gives the guild of a {@link copyLive} away, as {@link removeGuilds} does. Its rows are removed later, by {@link removeLeftovers}: until
   * then queries over all guilds see them. @throws as that
   */
  removeLive(copy: LiveCopy, recorded: Recorded): void {
    const guilds = recordedGuilds(recorded.writes);
    assertSameGuilds([copy.guildId], guilds);
    this.#write([copy.guildId], () => {
      copy.assertUnchanged();
      this.setAside.keep(copy.batch, guilds);
      this.records.write(recorded.state, recorded.writes);
    });
  }

  /** Removes some rows of large guilds that were given away. @returns how many; 0: none are left */
  removeLeftovers(limit: number): number {
    if (this.#leftovers.isEmpty) return 0;
    return this.#write([], () => this.#leftovers.removeSome(limit), 'normal');
  }

  /**
   * Begins to write a copy of a guild that comes in parts. Its rows are in the bot's tables before the guild is this pod's: only
   * queries over all guilds see them. They are removed if it is given up, or after a crash.
   */
  receiveLive(guildId: string): LiveImport {
    const guildIds = [guildId];
    const importer = this.#importer();
    this.#write(guildIds, () => {
      this.#removeStale(guildIds);
      this.#leftovers.add(guildId);
    });
    this.#leftovers.receiving.add(guildId);
    const apply = (chunks: readonly Uint8Array[]): void => {
      for (const chunk of chunks) importer.apply(chunk);
      this.#options.keyRanges.advance();
    };
    return {
      apply: (chunk) => this.#write(guildIds, () => apply([chunk]), 'normal'),
      finish: (chunks, recorded) =>
        this.#write(guildIds, () => {
          apply(chunks);
          const imported = importer.finish(true);
          assertSameGuilds(imported.guildIds, recordedGuilds(recorded.writes));
          this.#leftovers.remove(guildId);
          this.records.write(recorded.state, recorded.writes);
          return imported;
        }),
      [Symbol.dispose]: () => void this.#leftovers.receiving.delete(guildId),
    };
  }

  /** Removes guilds that have come and that the protocol has given up, and writes their records. */
  discardGuilds(guildIds: readonly string[], recorded: Recorded): void {
    this.#write(guildIds, () => {
      this.#deleteRows(guildIds);
      this.records.write(recorded.state, recorded.writes);
    });
  }

  /** @throws GuildwayError MOVE_DAMAGED when the copy lacks one of the guilds */
  #copyOf(chunks: readonly Uint8Array[], guildIds: readonly string[]): readonly Uint8Array[] {
    const copied = new Set(endsOf(chunks).head.guildIds);
    const missing = guildIds.find((guildId) => !copied.has(guildId));
    if (missing !== undefined) throw damaged(`no guild ${missing}`);
    return guildIds.length === copied.size ? chunks : [...partOfCopy(chunks, guildIds, this.tables)];
  }

  /** Removes rows that another copy replaces. Those of a guild that is this pod's stay: a copy of it is refused. */
  #removeStale(guildIds: readonly string[]): void {
    this.#leftovers.removeAll(guildIds);
    const stale = guildIds.filter((guildId) => (this.records.read(guildId)?.state ?? 'here') !== 'here');
    if (stale.length > 0) this.#deleteRows(stale);
  }

  #importer(): Importer {
    const { connection, ordinal } = this.#options;
    return new Importer(connection.sqlite, this.tables, this.schema, ordinal);
  }

  #write<Result>(guildIds: readonly string[], work: () => Result, durability: Durability = 'full'): Result {
    const { connection, guildTables, onHintsMoved } = this.#options;
    const guilds = JSON.stringify(guildIds);
    let hintsMoved = false;
    const step = (): Result => {
      const before = this.#countHints.get(guilds)?.count;
      const result = work();
      hintsMoved = this.#countHints.get(guilds)?.count !== before;
      return result;
    };
    const result = unobserved(connection, guildTables, step, durability);
    if (hintsMoved) onHintsMoved();
    return result;
  }

  #deleteRows(guildIds: readonly string[]): void {
    const { sqlite } = this.#options.connection;
    const guilds = JSON.stringify(guildIds);
    // Rows that hang on others first: afterwards nobody knows whose they were.
    for (const table of this.tables.toReversed()) sqlite.prepare(table.deleteRows).run({ guilds });
  }

  /** Also finds what a handler of another guild, or of none, has written. */
  #assertUnchanged({ head: { guildIds, now }, end }: { head: Head; end: End }): void {
    const rows = exportRows(this.#reader, this.tables, this.schema, { guildIds, now: asWallTime(now) });
    let step = rows.next();
    while (step.done !== true) step = rows.next();
    if (step.value.checksum === end.checksum) return;
    throw new GuildwayError(
      'MOVE_OUTDATED',
      'rows of the guilds have changed since they were copied: copy them again',
      {
        facts: { rows: step.value.rows, copied: end.rows },
      },
    );
  }
}

/** @throws GuildwayError MOVE_DAMAGED */
function endsOf(chunks: readonly Uint8Array[]): { head: Head; end: End } {
  const [first, last] = [chunks[0], chunks.at(-1)].map((chunk) => new ChunkReader(chunk ?? new Uint8Array()));
  if (first?.kind !== 'head' || last?.kind !== 'end') throw damaged('no beginning or no end');
  return { head: readJson(first), end: readJson(last) };
}

function assertSameGuilds(guildIds: readonly string[], recorded: readonly { readonly guildId: string }[]): void {
  const named = new Set(recorded.map(({ guildId }) => guildId));
  if (named.size === guildIds.length && guildIds.every((guildId) => named.has(guildId))) return;
  throw damaged(`the guilds ${guildIds.join(', ')}, and the records are of ${[...named].join(', ')}`);
}
