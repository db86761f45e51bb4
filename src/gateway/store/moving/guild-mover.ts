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
import { type GuildSize, sizeOf } from './sizes.ts';
import { unobserved } from './unobserved.ts';

export interface GuildMoverOptions {
  readonly connection: Connection;
  readonly path: string;
  readonly guildTables: GuildTables;
  readonly keyRanges: KeyRanges;
  readonly ordinal: number;
  readonly now: WallClock;
}

/** The records that a step of the protocol writes in the same transaction as the rows. */
export interface Recorded {
  /** The state before the step. The caller applies the writes to it after the method returns. */
  readonly state: MovingState;
  /** Their records select the guilds of the copy. */
  readonly writes: readonly Write[];
}

/** A copy, and what is set aside of it. */
export interface CompressedCopy {
  readonly chunks: readonly Uint8Array[];
  readonly compressed: readonly Uint8Array[];
}

/** Writes a copy that arrives in parts. It is unusable after an error: dispose of it. */
export interface LiveImport extends Disposable {
  /** Writes a chunk, in a transaction of its own. @throws GuildwayError MOVE_DAMAGED, MOVE_REFUSED, STORE_FAILED, FENCED */
  apply(chunk: Uint8Array): void;
  /** Writes the last changes and the record in one transaction. They are on disk when this returns. @throws as {@link apply} */
  finish(chunks: readonly Uint8Array[], recorded: Recorded, also?: () => void): Imported;
}

/**
 * Exports guilds from this pod's database, imports them into it, and removes them: the rows of every table that the bot
 * declares, and Guildway's own data about the guilds. It makes no decisions: the caller follows the protocol of moves and
 * passes the records of each step. Each step is one transaction for any number of guilds.
 */
export class GuildMover {
  readonly records: MovingRecords;
  readonly setAside: SetAside;
  readonly tables: readonly MovedTable[];
  /** The schema that the other pod's database must share. */
  readonly schema: MoveSchema;
  readonly #options: GuildMoverOptions;
  readonly #reader: RowReader;
  readonly #leftovers: Leftovers;

  constructor(options: GuildMoverOptions) {
    const { connection, guildTables, now } = options;
    this.#options = options;
    this.setAside = new SetAside(connection, now);
    this.tables = movedTables(connection.sqlite, guildTables);
    this.schema = readSchema(connection.sqlite, this.tables);
    this.#reader = new RowReader(connection.sqlite);
    this.#leftovers = new Leftovers(connection.sqlite, this.tables);
    this.records = new MovingRecords(connection, this.#leftovers);
  }

  /**
   * Copies guilds that must not change meanwhile; {@link removeGuilds} detects changes. The copy is one snapshot, no matter how
   * slowly the caller reads it, and holds no lock. The snapshot closes at the end or when the caller stops reading.
   * @yields chunks of about 64 KiB, or of one larger row
   */
  *exportGuilds(guildIds: readonly string[]): Generator<Buffer, End> {
    const { connection, path, now } = this.#options;
    // Commit pending writes first: the snapshot must include them.
    connection.transaction('full', () => {});
    const snapshot = openSnapshot(path);
    try {
      return yield* exportRows(new RowReader(snapshot), this.tables, this.schema, { guildIds, now: now() });
    } finally {
      snapshot.close();
    }
  }

  /** The same at once, for guilds that are not large. Writes that have not committed yet are in it: {@link removeCopied} compares. */
  copyGuilds(guildIds: readonly string[]): Buffer[] {
    const { now } = this.#options;
    return [...exportRows(this.#reader, this.tables, this.schema, { guildIds, now: now() })];
  }

  /**
   * Writes guilds of a copy and their records in one transaction. When this returns, all of it is on disk; when it throws, none
   * of it.
   * @param chunks the chunks of {@link exportGuilds} or {@link exportSetAside}, in order
   * @throws GuildwayError MOVE_DAMAGED; MOVE_REFUSED when the schemas differ, a key conflicts, or this pod owns one of the
   *   guilds; STORE_FAILED, FENCED, DATABASE_CORRUPT
   * @param also runs in the same transaction, after the rows are written
   */
  importGuilds(chunks: readonly Uint8Array[], recorded: Recorded, also?: () => void): Imported {
    const guildIds = recordedGuilds(recorded.writes).map(({ guildId }) => guildId);
    const copy = this.#copyOf(chunks, guildIds);
    return this.#write(() => {
      this.#removeStale(guildIds);
      const importer = this.#importer();
      for (const chunk of copy) importer.apply(chunk);
      const imported = importer.finish();
      this.#options.keyRanges.advance();
      also?.();
      this.records.write(recorded.state, recorded.writes);
      return imported;
    });
  }

  /**
   * Gives guilds away: removes their rows, sets a copy aside, and writes their records, in one transaction.
   * @param chunks the copy that the new owner has received
   * @throws GuildwayError MOVE_OUTDATED when rows have changed since the copy was made; STORE_FAILED, FENCED, DATABASE_CORRUPT.
   *   The database is unchanged then.
   */
  removeGuilds(chunks: readonly Uint8Array[], recorded: Recorded): void {
    this.removeCopied(this.compressed(chunks), recorded);
  }

  /** Compresses a copy for {@link removeCopied}, so that it costs no time while the guilds wait. */
  compressed(chunks: readonly Uint8Array[]): CompressedCopy {
    return { chunks, compressed: chunks.map(compress) };
  }

  /** As {@link removeGuilds}. */
  removeCopied({ chunks, compressed }: CompressedCopy, recorded: Recorded): void {
    const guilds = recordedGuilds(recorded.writes);
    const guildIds = guilds.map(({ guildId }) => guildId);
    const copy = this.#copyOf(chunks, guildIds);
    const setAside = copy === chunks ? compressed : copy.map(compress);
    const batch = this.setAside.begin();
    try {
      this.#write(() => {
        this.#assertUnchanged(endsOf(copy));
        this.#deleteRows(guildIds);
        this.setAside.add(batch, 0, setAside);
        this.setAside.keep(batch, guilds);
        this.records.write(recorded.state, recorded.writes);
        for (const guildId of guildIds) this.#leftovers.remove(guildId);
      });
    } finally {
      this.setAside.drop(batch);
    }
  }

  /**
   * Reads back the copies of guilds that this pod has given away, for a new owner that has lost them: one copy per batch.
   * Guilds whose copy has been pruned are omitted.
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

  /** Rows of guilds together. It looks at `limit` rows of each table at most. */
  sizeOf(guildIds: readonly string[], limit: number): Readonly<GuildSize> {
    return sizeOf(this.#reader, this.tables, guildIds, limit);
  }

  /** A copy of a large guild that is made while it is served. Call `base` in the same turn. */
  copyLive(guildId: string): LiveCopy {
    const { connection, path, now } = this.#options;
    return new LiveCopy(guildId, {
      ...{ connection, path, now, tables: this.tables, schema: this.schema, setAside: this.setAside },
    });
  }

  /**
   * Gives away the guild of a {@link copyLive}, as {@link removeGuilds} does. {@link removeLeftovers} removes its rows later;
   * until then, queries over all guilds still see them.
   * @throws as {@link removeGuilds}
   */
  removeLive(copy: LiveCopy, recorded: Recorded): void {
    const guilds = recordedGuilds(recorded.writes);
    assertSameGuilds([copy.guildId], guilds);
    this.#write(() => {
      copy.assertUnchanged();
      this.setAside.keep(copy.batch, guilds);
      this.records.write(recorded.state, recorded.writes);
    });
  }

  /** Removes some rows of large guilds that were given away. @returns the number of removed rows; 0: none are left */
  removeLeftovers(limit: number): number {
    if (this.#leftovers.isEmpty) return 0;
    return this.#write(() => this.#leftovers.removeSome(limit), 'normal');
  }

  /**
   * Starts to write a guild that arrives in parts. Its rows are in the bot's tables before this pod owns the guild; only
   * queries over all guilds see them. An abandoned move or a crash removes them.
   */
  receiveLive(guildId: string): LiveImport {
    const guildIds = [guildId];
    const importer = this.#importer();
    this.#write(() => {
      this.#removeStale(guildIds);
      this.#leftovers.add(guildId);
    });
    this.#leftovers.receiving.add(guildId);
    const apply = (chunks: readonly Uint8Array[]): void => {
      for (const chunk of chunks) importer.apply(chunk);
      this.#options.keyRanges.advance();
    };
    return {
      apply: (chunk) => this.#write(() => apply([chunk]), 'normal'),
      finish: (chunks, recorded, also) =>
        this.#write(() => {
          apply(chunks);
          const imported = importer.finish(true);
          assertSameGuilds(imported.guildIds, recordedGuilds(recorded.writes));
          this.#leftovers.remove(guildId);
          also?.();
          this.records.write(recorded.state, recorded.writes);
          return imported;
        }),
      [Symbol.dispose]: () => void this.#leftovers.receiving.delete(guildId),
    };
  }

  /** Removes arrived guilds whose move was abandoned, and writes their records. */
  discardGuilds(guildIds: readonly string[], recorded: Recorded): void {
    this.#write(() => {
      this.#deleteRows(guildIds);
      this.records.write(recorded.state, recorded.writes);
    });
  }

  /** @throws GuildwayError MOVE_DAMAGED when a guild is missing from the copy */
  #copyOf(chunks: readonly Uint8Array[], guildIds: readonly string[]): readonly Uint8Array[] {
    const copied = new Set(endsOf(chunks).head.guildIds);
    const missing = guildIds.find((guildId) => !copied.has(guildId));
    if (missing !== undefined) throw damaged(`guild ${missing} is missing`);
    return guildIds.length === copied.size ? chunks : [...partOfCopy(chunks, guildIds, this.tables)];
  }

  /** Removes rows that the new copy replaces. Rows of a guild that this pod owns stay, and its copy is refused. */
  #removeStale(guildIds: readonly string[]): void {
    this.#leftovers.removeAll(guildIds);
    const stale = guildIds.filter((guildId) => (this.records.read(guildId)?.state ?? 'here') !== 'here');
    if (stale.length > 0) this.#deleteRows(stale);
  }

  #importer(): Importer {
    const { connection, ordinal } = this.#options;
    return new Importer(connection.sqlite, this.tables, this.schema, ordinal);
  }

  #write<Result>(work: () => Result, durability: Durability = 'full'): Result {
    const { connection, guildTables } = this.#options;
    return unobserved(connection, guildTables, work, durability);
  }

  #deleteRows(guildIds: readonly string[]): void {
    const { sqlite } = this.#options.connection;
    const guilds = JSON.stringify(guildIds);
    // Child rows first: without their parents, their guild is unknown.
    for (const table of this.tables.toReversed()) sqlite.prepare(table.deleteRows).run({ guilds });
  }

  /** Also detects writes by handlers of other guilds, or of no guild. */
  #assertUnchanged({ head: { guildIds, now }, end }: { head: Head; end: End }): void {
    const rows = exportRows(this.#reader, this.tables, this.schema, { guildIds, now: asWallTime(now) });
    let step = rows.next();
    while (step.done !== true) step = rows.next();
    if (step.value.checksum === end.checksum) return;
    throw new GuildwayError('MOVE_OUTDATED', 'rows of the guilds have changed since the copy: copy them again', {
      facts: { rows: step.value.rows, copied: end.rows },
    });
  }
}

/** @throws GuildwayError MOVE_DAMAGED */
function endsOf(chunks: readonly Uint8Array[]): { head: Head; end: End } {
  const [first, last] = [chunks[0], chunks.at(-1)].map((chunk) => new ChunkReader(chunk ?? new Uint8Array()));
  if (first?.kind !== 'head' || last?.kind !== 'end') throw damaged('its head or its end is missing');
  return { head: readJson(first), end: readJson(last) };
}

function assertSameGuilds(guildIds: readonly string[], recorded: readonly { readonly guildId: string }[]): void {
  const named = new Set(recorded.map(({ guildId }) => guildId));
  if (named.size === guildIds.length && guildIds.every((guildId) => named.has(guildId))) return;
  throw damaged(`it contains the guilds ${guildIds.join(', ')}, but the records are for ${[...named].join(', ')}`);
}
