import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { BotDefinition } from '../../../bot/types.ts';
import { GuildwayError } from '../../../errors.ts';
import { initialState } from '../../../moving/state.ts';
import type { Logger } from '../../../observability/log.ts';
import type { Topology } from '../../../routing/topology.ts';
import { readFaults } from '../../faults.ts';
import { openStore, type Store } from '../store.ts';
import { RowReader } from './export.ts';
import type { Imported } from './import.ts';
import { compareGuilds, type RowDifference } from './verify.ts';

/** The guilds that move from one pod to another. */
export interface GuildFlow {
  readonly from: number;
  readonly to: number;
  readonly guilds: readonly { readonly guildId: string; readonly bytes: number }[];
}

export interface RehearsalOptions {
  /** The present databases by ordinal. They are read only. */
  readonly databases: ReadonlyMap<number, string>;
  readonly topology: Topology;
  readonly bot: Pick<BotDefinition, 'migrations' | 'tables' | 'global'>;
  readonly log: Logger;
  /** Called after each batch with the number of guilds so far. */
  readonly onProgress?: (guilds: number) => void;
}

export interface Rehearsal {
  readonly guilds: number;
  readonly rows: number;
  /** Rows that got new keys. */
  readonly renumbered: number;
  /** Rows that are not the same after the move. */
  readonly differences: readonly RowDifference[];
  /** Guilds that were refused, with the reason. */
  readonly refused: readonly { readonly from: number; readonly to: number; readonly reason: string }[];
}

/** A transaction has this many guilds at most, and about this many bytes. */
const BATCH_GUILDS = 100;
const BATCH_BYTES = 8 * 1024 * 1024;
const MAX_DIFFERENCES = 100;

/**
 * Moves guilds between copies of the databases, and compares every row at its new pod with the original, value by value. Needs the space of
 * all databases in the temporary directory.
 * @throws GuildwayError BOT_INVALID, STORE_FAILED, DATABASE_CORRUPT
 */
export function rehearse(flows: readonly GuildFlow[], options: RehearsalOptions): Rehearsal {
  const folder = mkdtempSync(join(tmpdir(), 'guildway-rehearsal-'));
  const stores = new Map<number, Store>();
  const storeOf = (pod: number): Store => {
    const known = stores.get(pod);
    if (known !== undefined) return known;
    const opened = openCopy(pod, join(folder, `gateway-${pod}.sqlite3`), options);
    stores.set(pod, opened);
    return opened;
  };
  const result = {
    guilds: 0,
    rows: 0,
    renumbered: 0,
    differences: [] as RowDifference[],
    refused: [] as Rehearsal['refused'][number][],
  };
  try {
    for (const { from, to, guilds } of flows) {
      for (const guildIds of batches(guilds)) {
        const moved = moveBatch(
          storeOf(from),
          storeOf(to),
          guildIds,
          initialState(to, options.topology.toRecord()),
          from,
        );
        if (typeof moved === 'string') result.refused.push({ from, to, reason: moved });
        else {
          result.guilds += guildIds.length;
          result.rows += moved.rows;
          result.renumbered += moved.renumbered.length;
          const limit = MAX_DIFFERENCES - result.differences.length;
          if (limit > 0) result.differences.push(...compare(storeOf(from), storeOf(to), guildIds, moved, limit));
        }
        options.onProgress?.(result.guilds);
      }
    }
    return result;
  } finally {
    for (const store of stores.values()) store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function openCopy(pod: number, path: string, { databases, topology, bot, log }: RehearsalOptions): Store {
  const original = databases.get(pod);
  if (original !== undefined) copy(original, path);
  const opened = openStore({ path, ordinal: pod, topology, bot, log, faults: readFaults({}) });
  try {
    return opened.take();
  } catch (error) {
    opened.close();
    throw error;
  }
}

/** Copies one snapshot of a database that a pod may be using. */
function copy(original: string, path: string): void {
  const sqlite = new DatabaseSync(original, { readOnly: true });
  try {
    sqlite.prepare('VACUUM INTO ?').run(path);
  } finally {
    sqlite.close();
  }
  // The copy is placed anew, under the topology of the rehearsal.
  const copied = new DatabaseSync(path);
  try {
    for (const table of ['guildway_meta', 'guildway_moving', 'guildway_guild_records']) {
      const exists = copied.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(table);
      if (exists !== undefined) copied.exec(`DELETE FROM ${table}`);
    }
  } finally {
    copied.close();
  }
}

/** @returns what was imported, or why the new owner refuses it */
function moveBatch(
  from: Store,
  to: Store,
  guildIds: readonly string[],
  state: ReturnType<typeof initialState>,
  pod: number,
): Imported | string {
  const { epoch } = state.chain[0];
  const chunks = [...from.mover.exportGuilds(guildIds)];
  const record = { state: 'arriving', epoch, from: pod, attempt: [1, 1] } as const;
  try {
    return to.mover.importGuilds(chunks, {
      state,
      writes: guildIds.map((guild) => ({ kind: 'record', guild, record })),
    });
  } catch (error) {
    if (error instanceof GuildwayError && error.code === 'MOVE_REFUSED') return error.message;
    throw error;
  }
}

const compare = (
  from: Store,
  to: Store,
  guildIds: readonly string[],
  moved: Imported,
  limit: number,
): RowDifference[] =>
  compareGuilds(new RowReader(from.connection.sqlite), new RowReader(to.connection.sqlite), {
    tables: from.mover.tables,
    guildIds,
    renumbered: moved.renumbered,
    limit,
  });

function* batches(guilds: GuildFlow['guilds']): Generator<string[]> {
  let batch: string[] = [];
  let size = 0;
  for (const { guildId, bytes } of guilds) {
    if (batch.length > 0 && (batch.length === BATCH_GUILDS || size + bytes > BATCH_BYTES)) {
      yield batch;
      batch = [];
      size = 0;
    }
    batch.push(guildId);
    size += bytes;
  }
  if (batch.length > 0) yield batch;
}
