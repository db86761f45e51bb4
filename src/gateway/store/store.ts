import { statSync } from 'node:fs';
import type { BotDefinition, Database } from '../../bot/types.ts';
import type { GuildwayError } from '../../errors.ts';
import type { Logger } from '../../observability/log.ts';
import type { Topology } from '../../routing/topology.ts';
import { steadyNow, type WallClock, wallNow } from '../../time.ts';
import type { Faults } from '../faults.ts';
import { BotDatabase, BotStatements } from './bot-database.ts';
import type { Durability } from './commit-group.ts';
import { Connection } from './connection.ts';
import { GuildIndex } from './guild-index.ts';
import { refuseUndeclared, resolveGuildTables, warnOfMissingIndexes } from './guild-tables.ts';
import { HintStore } from './hints.ts';
import { KeyRanges } from './key-ranges.ts';
import { Ledger } from './ledger.ts';
import { DatabaseLock } from './lock.ts';
import { refuseLostData } from './lost-data.ts';
import { migrate } from './migrations.ts';
import { GuildMover } from './moving/guild-mover.ts';
import { findMisplacement, isSettled, type Placement, readPlacement, recordClaim, takeOwnership } from './placement.ts';
import { findRestoration } from './restored.ts';
import { MIGRATIONS } from './schema.ts';
import { Sessions } from './sessions.ts';

export interface StoreOptions {
  readonly path: string;
  readonly ordinal: number;
  readonly topology: Topology;
  readonly bot: Pick<BotDefinition, 'migrations' | 'tables' | 'global'>;
  readonly log: Logger;
  readonly faults: Faults;
  readonly now?: WallClock;
}

/** Everything this pod keeps on disk. It owns the database and its lock. */
export interface Store {
  /** Increases with every start on this database. */
  readonly incarnation: number;
  readonly connection: Connection;
  readonly ledger: Ledger;
  readonly sessions: Sessions;
  readonly hints: HintStore;
  readonly guilds: GuildIndex;
  readonly mover: GuildMover;
  readonly keyRanges: KeyRanges;
  /** The bot's view of the database, by the durability of writes outside a transaction. */
  readonly botDatabases: Readonly<Record<Durability, Database>>;
  /** Sizes of the files in bytes. */
  sizes(): { readonly database: number; readonly wal: number };
  close(): void;
}

/** A database that this process has locked and checked but does not use yet. */
export interface OpenedStore {
  /** Where its rows were placed before this start; null when it is empty. */
  readonly placement: Placement | null;
  /** TOPOLOGY_MISMATCH when its rows do not belong to this pod. Nothing has been written then, and nothing can be. */
  readonly misplacement: GuildwayError | null;
  /** See {@link isSettled}. */
  readonly settled: boolean;
  /**
   * Promises on disk to place this pod's rows under its topology.
   * @returns the new placement
   */
  claim(): Placement;
  /**
   * Takes the database for this process.
   * @throws GuildwayError BOT_INVALID, DATABASE_UNSAFE, STORE_FAILED
   */
  take(): Store;
  /** Releases the database and its lock, including those of a {@link Store} created from it. */
  close(): void;
}

/**
 * Opens this pod's database, or reports why this configuration must not use it.
 * @throws GuildwayError DATABASE_LOCKED, DATABASE_CORRUPT, DATABASE_UNSAFE, STORE_FAILED
 */
export function openStore(options: StoreOptions): OpenedStore {
  const { path, ordinal, topology } = options;
  const lock = new DatabaseLock(path);
  let connection: Connection | null = null;
  try {
    refuseLostData(path);
    connection = new Connection(path, options.faults);
    const placement = readPlacement(connection);
    const misplacement = findMisplacement(placement, ordinal, topology);
    if (misplacement !== null) {
      connection.close();
      lock.sign(ordinal, null);
    }
    return opened(options, connection, lock, placement, misplacement);
  } catch (error) {
    connection?.close();
    lock.release();
    throw connection?.noted(error) ?? error;
  }
}

function opened(
  options: StoreOptions,
  connection: Connection,
  lock: DatabaseLock,
  placement: Placement | null,
  misplacement: GuildwayError | null,
): OpenedStore {
  const { ordinal, topology, log } = options;
  const noting = <Result>(work: () => Result): Result => {
    if (misplacement !== null) throw misplacement;
    try {
      return work();
    } catch (error) {
      throw connection.noted(error);
    }
  };
  return {
    placement,
    misplacement,
    settled: isSettled(placement, topology),
    claim: () =>
      noting(() => {
        migrate(connection, 'guildway', MIGRATIONS, log);
        recordClaim(connection, ordinal, topology);
        return readPlacement(connection) as Placement;
      }),
    take: () =>
      noting(() => {
        migrate(connection, 'guildway', MIGRATIONS, log);
        reportRestoration(options, connection);
        const incarnation = takeOwnership(connection, ordinal, topology);
        lock.sign(ordinal, incarnation);
        migrate(connection, 'bot', options.bot.migrations ?? [], log);
        return assemble(options, connection, lock, incarnation);
      }),
    close() {
      connection.close();
      lock.release();
    },
  };
}

/** Logs which data may be missing. No other component can detect it. */
function reportRestoration({ path, log, now = wallNow }: StoreOptions, connection: Connection): void {
  const restored = findRestoration(path, connection);
  if (restored === null) return;
  const { incarnation, newestInteractionAt } = restored;
  const age = newestInteractionAt === null ? null : Math.max(0, Math.round((now() - newestInteractionAt) / 1_000));
  const newest = newestInteractionAt === null ? null : new Date(newestInteractionAt).toISOString();
  log.warn(
    { incarnation, newestInteraction: newest, ageSeconds: age },
    newest === null
      ? 'restored from a backup without any interaction: requests acknowledged after the backup may be missing'
      : `restored from a backup: its newest interaction is from ${newest}, ${age} s ago; requests acknowledged after that may be missing`,
  );
}

function assemble(options: StoreOptions, connection: Connection, lock: DatabaseLock, incarnation: number): Store {
  const { path, bot, ordinal, topology, log, now = steadyNow } = options;
  const guildTables = resolveGuildTables(connection.sqlite, bot);
  refuseUndeclared(guildTables, topology.pods, log);
  warnOfMissingIndexes(guildTables, log);
  const keyRanges = new KeyRanges(connection.sqlite, { tables: guildTables.tables, ordinal, pods: topology.pods });
  connection.transaction('full', () => keyRanges.advance());
  const statements = new BotStatements(connection);
  const hints = new HintStore(connection, now);
  const size = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  return {
    incarnation,
    connection,
    ledger: new Ledger(connection, now),
    sessions: new Sessions(connection),
    hints,
    guilds: new GuildIndex(connection, guildTables),
    mover: new GuildMover({
      ...{ connection, path, guildTables, keyRanges, ordinal, now },
      onHintsMoved: () => hints.countAll(),
    }),
    keyRanges,
    botDatabases: {
      full: new BotDatabase(connection, statements, 'full'),
      normal: new BotDatabase(connection, statements, 'normal'),
    },
    sizes: () => ({ database: size(path), wal: size(`${path}-wal`) }),
    close() {
      connection.close();
      lock.release();
    },
  };
}
