import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { ChunkReader, readJson, type StoredValue } from './chunks.ts';
import { ChunkSum, type End, FORMAT, type Head } from './export.ts';
import { KeyMap } from './key-map.ts';
import { damaged, refused } from './move-errors.ts';
import type { MovedTable } from './moved-tables.ts';
import { fingerprintOf, type MoveSchema, schemaDifference } from './schema.ts';

/** The result of an import. */
export interface Imported {
  readonly guildIds: readonly string[];
  readonly rows: number;
  /** The checksum of all chunks. The old owner compares it with its own. */
  readonly checksum: string;
  /** Keys that conflicted, and their replacements. */
  readonly renumbered: readonly { readonly table: string; readonly from: bigint; readonly to: bigint }[];
}

/** Writes chunks into the database in order. The caller opens the transaction. */
export class Importer {
  readonly #sqlite: DatabaseSync;
  readonly #tables: readonly MovedTable[];
  readonly #schema: MoveSchema;
  readonly #keys: KeyMap;
  readonly #inserts: StatementSync[] = [];
  readonly #deletes: StatementSync[] = [];
  #sum = new ChunkSum();
  #head: Head | null = null;
  #end: End | null = null;
  #rows = 0;

  constructor(sqlite: DatabaseSync, tables: readonly MovedTable[], schema: MoveSchema, ordinal: number) {
    this.#sqlite = sqlite;
    this.#tables = tables;
    this.#schema = schema;
    this.#keys = new KeyMap(sqlite, tables, ordinal);
  }

  /** The guilds of the copy; empty before its head. */
  get guildIds(): readonly string[] {
    return this.#head?.guildIds ?? [];
  }

  /** @throws GuildwayError MOVE_DAMAGED, MOVE_REFUSED; the caller must roll back */
  apply(chunk: Uint8Array): void {
    const reader = new ChunkReader(chunk);
    if (this.#end !== null && reader.kind !== 'head') throw damaged('a chunk follows its end');
    if (this.#end === null && this.#head === null && reader.kind !== 'head') throw damaged('its head is missing');
    if (reader.kind !== 'end') this.#sum.add(chunk);
    if (reader.kind === 'head') this.#begin(readJson<Head>(reader));
    else if (reader.kind === 'keys') this.#learnKeys(reader);
    else if (reader.kind === 'gone') this.#deleteRows(reader);
    else if (reader.kind === 'cleared') this.#clear(this.#table(reader.number()).deleteRows);
    else if (reader.kind === 'keyless') this.#clear(this.#table(reader.number()).deleteRowsWithoutKey);
    else if (reader.kind === 'rows') this.#insertRows(reader);
    else this.#finish(readJson<End>(reader));
  }

  /** @throws GuildwayError MOVE_DAMAGED when the end is missing or, for a live copy, the last changes */
  finish(isLive = false): Imported {
    if (this.#head === null || this.#end === null) throw damaged('its end is missing');
    if (isLive && this.#end.counts === undefined) throw damaged('the last changes are missing');
    const { checksum } = this.#end;
    return { guildIds: this.#head.guildIds, rows: this.#rows, checksum, renumbered: this.#keys.renumbered() };
  }

  /** Reads the head of the copy, or of later changes. */
  #begin(head: Head): void {
    if (head.format !== FORMAT)
      throw refused(`the copy has format ${head.format}, but this version reads ${FORMAT}: update the older pod`);
    const difference =
      head.fingerprint === fingerprintOf(this.#schema) ? null : schemaDifference(this.#schema, head.schema);
    if (difference !== null)
      throw refused(
        `the schemas differ: ${difference}. The guilds move when both pods run the same version of the bot`,
      );
    if (this.#head !== null && JSON.stringify(this.#head.guildIds) !== JSON.stringify(head.guildIds))
      throw damaged('it has changes to other guilds');
    const first = this.#head === null;
    this.#head = head;
    this.#end = null;
    if (first) this.#refuseRowsOf(head);
  }

  /** Existing rows of the guilds would mix with the imported ones. */
  #refuseRowsOf({ guildIds }: Head): void {
    const parameters = { guilds: JSON.stringify(guildIds), now: 0n };
    for (const table of this.#tables) {
      if (table.guildTable === null) continue;
      const statement = this.#sqlite.prepare(`SELECT 1 FROM (${table.selectRows}) LIMIT 1`);
      statement.setAllowUnknownNamedParameters(true);
      if (statement.get(parameters) !== undefined)
        throw refused(
          `this pod has rows of ${guildIds.length === 1 ? `guild ${guildIds[0]}` : 'these guilds'} in ${table.name}: remove them first`,
        );
    }
  }

  #learnKeys(reader: ChunkReader): void {
    const byTable = new Map<number, bigint[]>();
    while (!reader.isAtEnd) {
      const table = reader.number();
      const key = reader.value();
      if (typeof key !== 'bigint') continue;
      const keys = byTable.get(table) ?? [];
      keys.push(key);
      byTable.set(table, keys);
    }
    for (const [table, keys] of byTable) this.#keys.learn(this.#table(table), keys, this.guildIds);
  }

  #insertRows(reader: ChunkReader): void {
    while (!reader.isAtEnd) {
      const index = reader.number();
      const guild = reader.number();
      const table = this.#table(index);
      const values = this.#keys.translate(table, reader.values(table.columns.length));
      this.#inserts[index] ??= this.#sqlite.prepare(table.insertRow);
      try {
        this.#inserts[index].run(...values);
      } catch (error) {
        throw this.#asRefusal(error, table, values, guild);
      }
      this.#rows++;
      this.#sum.rows++;
    }
  }

  #deleteRows(reader: ChunkReader): void {
    while (!reader.isAtEnd) {
      const index = reader.number();
      const table = this.#table(index);
      const key = this.#keys.translateKey(table, reader.values(table.key.length));
      if (key === null) continue;
      let statement = this.#deletes[index];
      if (statement === undefined) {
        statement = this.#sqlite.prepare(table.deleteRow);
        statement.setAllowUnknownNamedParameters(true);
        this.#deletes[index] = statement;
      }
      const named = Object.fromEntries(key.map((value, i) => [`key${i}`, value]));
      statement.run({ guilds: JSON.stringify(this.guildIds), now: 0n, ...named });
    }
  }

  #clear(sql: string): void {
    const statement = this.#sqlite.prepare(sql);
    statement.setAllowUnknownNamedParameters(true);
    statement.run({ guilds: JSON.stringify(this.guildIds), now: 0n });
  }

  #finish(end: End): void {
    const { rows, checksum } = this.#sum.end();
    if (rows !== end.rows || checksum !== end.checksum)
      throw damaged(`${rows} rows with checksum ${checksum} arrived, but ${end.rows} with ${end.checksum} were sent`);
    for (const [index, count] of (end.counts ?? []).entries()) this.#assertCount(this.#table(index), count);
    this.#end = end;
    this.#sum = new ChunkSum();
  }

  /** A changed row can move its child rows to or from the guild without changing them. Then the counts differ. */
  #assertCount(table: MovedTable, expected: number): void {
    if (expected === -1) return;
    const row = this.#sqlite.prepare(table.countRows).get({ guilds: JSON.stringify(this.guildIds) });
    const count = Number(Object.values(row ?? {})[0]);
    if (count !== expected) throw damaged(`${count} rows arrived in ${table.name}, but the guild has ${expected}`);
  }

  #table(index: number): MovedTable {
    const table = this.#tables[index];
    if (table === undefined) throw damaged(`it has rows of an unknown table ${index}`);
    return table;
  }

  #asRefusal(error: unknown, table: MovedTable, values: readonly StoredValue[], guild: number): unknown {
    const { code, errcode, message } = error as { code?: string; errcode?: number; message?: string };
    if (code !== 'ERR_SQLITE_ERROR' || ((errcode ?? 0) & 0xff) !== SQLITE_CONSTRAINT) return error;
    const shown = (table.key.length > 0 ? table.key : table.columns.map((_, at) => at))
      .map((at) => `${table.columns[at]?.name} ${String(values[at])}`)
      .join(', ');
    return refused(
      `the row of guild ${this.guildIds[guild]} in ${table.name} with ${shown} cannot be written here: ${message}`,
      error,
    );
  }
}

const SQLITE_CONSTRAINT = 19;
