import { statSync } from 'node:fs';
import type { BotDefinition, Database } from '../../bot/types.ts';
import type { GuildwayError } from '../../errors.ts';
import { beginRecovery } from '../../moving/recovery.ts';
import { applyWrites, type Chain, initialState, type MovingState } from '../../moving/state.ts';
import type { Logger } from '../../observability/log.ts';
import type { Topology } from '../../routing/topology.ts';
import { steadyNow, type WallClock, wallNow } from '../../time.ts';
import type { Faults } from '../faults.ts';
import { BotDatabase, BotStatements } from './bot-database.ts';
import type { Durability } from './commit-group.ts';
import { Connection } from './connection.ts';
import { GuildIndex } from './guild-index.ts';
import { refuseUndeclared, resolveGuildTables, warnOfMissingIndexes } from './guild-tables.ts';
import { HandledEvents } from './handled-events.ts';
import { HintStore } from './hints.ts';
import { JobStore } from './jobs.ts';
import { KeyRanges } from './key-ranges.ts';
import { Ledger } from './ledger.ts';
import { DatabaseLock } from './lock.ts';
import { refuseLostData } from './lost-data.ts';
import { migrate } from './migrations.ts';
import { GuildMover } from './moving/guild-mover.ts';
import {
  findMisplacement,
  type Placement,
  readPlacement,
  recordClaim,
  recordJoin,
  takeOwnership,
} from './placement.ts';
import { findRestoration } from './restored.ts';
import { MIGRATIONS } from './schema.ts';
import { Sessions } from './sessions.ts';

export interface StoreOptions {
  readonly path: string;
  readonly ordinal: number;
  readonly topology: Topology;
  readonly bot: Pick<BotDefinition, 'migrations' | 'tables' | 'global' | 'jobs'>;
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
  readonly jobs: JobStore;
  readonly handledEvents: HandledEvents;
  readonly guilds: GuildIndex;
  readonly mover: GuildMover;
  /** What the protocol of moves knows: from disk, or as a pod begins. */
  readonly movingState: MovingState;
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
  /**
   * Promises on disk to place this pod's rows under its topology.
   * @returns the new placement
   */
  claim(): Placement;
  /**
   * Takes the database for this process.
   * @param how `join`: for a database without rows, with the topologies of pods that have some. `recover`: its rows are old
   * @throws GuildwayError BOT_INVALID, DATABASE_UNSAFE, STORE_FAILED
   */
  take(how?: { readonly kind: string; readonly chain?: Chain }): Store;
  /** Releases the database and its lock, also for the {@link Store} that was made of it. */
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
    claim: () =>
      noting(() => {
        migrate(connection, 'guildway', MIGRATIONS, log);
        recordClaim(connection, ordinal, topology);
        return readPlacement(connection) as Placement;
      }),
    take: (how) =>
      noting(() => {
        const joined = how?.kind === 'join' ? how.chain : undefined;
        migrate(connection, 'guildway', MIGRATIONS, log);
        const restored = reportRestoration(options, connection);
        const chain = joined ?? placement?.chain ?? [topology.toRecord()];
        if (joined !== undefined) recordJoin(connection, joined);
        const incarnation = takeOwnership(connection, ordinal, chain[0]);
        migrate(connection, 'bot', options.bot.migrations ?? [], log);
        const store = assemble(options, connection, lock, incarnation, chain);
        // On disk before this process signs: a crash must not make the volume look like one that nothing was lost from.
        if (restored || how?.kind === 'join' || how?.kind === 'recover') askOthers(store, topology);
        lock.sign(ordinal, incarnation);
        return store;
      }),
    close() {
      connection.close();
      lock.release();
    },
  };
}

/** The volume is new or was restored: from now on the pod serves nothing until the others have said what they hold. */
function askOthers({ movingState, mover }: Store, topology: Topology): void {
  const { writes } = beginRecovery(movingState, topology.toRecord());
  mover.records.write(movingState, writes);
  applyWrites(movingState, writes);
}

/** Logs which data may be missing. No other component can tell. @returns whether the database came from a backup */
function reportRestoration({ path, log, now = wallNow }: StoreOptions, connection: Connection): boolean {
  const restored = findRestoration(path, connection);
  if (restored === null) return false;
  const { incarnation, newestInteractionAt } = restored;
  const age = newestInteractionAt === null ? null : Math.max(0, Math.round((now() - newestInteractionAt) / 1_000));
  const newest = newestInteractionAt === null ? null : new Date(newestInteractionAt).toISOString();
  log.warn(
    { incarnation, newestInteraction: newest, ageSeconds: age },
    newest === null
      ? 'restored from a backup without any interaction: requests acknowledged after the backup may be missing'
      : `restored from a backup: its newest interaction is from ${newest}, ${age} s ago; requests acknowledged after that may be missing`,
  );
  return true;
}

function assemble(
  options: StoreOptions,
  connection: Connection,
  lock: DatabaseLock,
  incarnation: number,
  chain: Chain,
): Store {
  const { path, bot, ordinal, topology, log, now = steadyNow } = options;
  const guildTables = resolveGuildTables(connection.sqlite, bot);
  // A pod beyond the number waits for a larger one, or gives its guilds away.
  const pods = Math.max(topology.pods, ordinal + 1, ...chain.map((known) => known.pods));
  refuseUndeclared(guildTables, pods, log);
  warnOfMissingIndexes(guildTables, log);
  const keyRanges = new KeyRanges(connection.sqlite, { tables: guildTables.tables, ordinal, pods });
  connection.transaction('full', () => keyRanges.advance());
  const statements = new BotStatements(connection);
  const hints = new HintStore(connection, now);
  const size = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const mover = new GuildMover({ connection, path, guildTables, keyRanges, ordinal, now });
  return {
    incarnation,
    connection,
    ledger: new Ledger(connection, now),
    sessions: new Sessions(connection),
    hints,
    jobs: new JobStore(connection, Object.keys(bot.jobs ?? {}), now),
    handledEvents: new HandledEvents(connection, now),
    guilds: new GuildIndex(connection, guildTables),
    mover,
    movingState: mover.records.load(initialState(ordinal, chain[0])),
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
