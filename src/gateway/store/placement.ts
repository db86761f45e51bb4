import { GuildwayError } from '../../errors.ts';
import { asVariables, type Topology, type TopologyRecord } from '../../routing/topology.ts';
import type { Connection } from './connection.ts';
import { number, oneOf, query, text } from './rows.ts';

/**
 * - `claimed`: the database has no rows yet; its pod has promised the other pods to place rows under this topology
 * - `placed`: its pod has served under this topology
 */
export type PlacementState = 'claimed' | 'placed';

/** The topology under which a database's rows were placed, and the pod that they belong to. */
export interface Placement {
  readonly ordinal: number;
  readonly fingerprint: string;
  readonly topology: TopologyRecord;
  readonly incarnation: number;
  readonly state: PlacementState;
}

/** The database of a bot that ran before Guildway: one pod had every guild. */
const BEFORE_GUILDWAY: Placement = {
  ordinal: 0,
  fingerprint: 'md5/1',
  topology: { strategy: 'md5', pods: 1, shards: null, epoch: 1 },
  incarnation: 0,
  state: 'placed',
};

/** Null: the database has neither rows nor a claim. */
export function readPlacement({ sqlite }: Pick<Connection, 'sqlite'>): Placement | null {
  const tables = query(sqlite, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'", {
    name: text,
  }).all();
  // Litestream keeps tables here too, and may create them before this process runs its first migration.
  const names = tables.map(({ name }) => name).filter((name) => !name.startsWith('_litestream_'));
  if (!names.includes('guildway_meta')) {
    return names.some((name) => !name.startsWith('guildway_')) ? BEFORE_GUILDWAY : null;
  }
  // Older versions have no `state` column.
  const hasState =
    sqlite.prepare("SELECT 1 FROM pragma_table_info('guildway_meta') WHERE name = 'state'").get() !== undefined;
  const row = query(
    sqlite,
    `SELECT ordinal, fingerprint, topology, incarnation, ${hasState ? 'state' : "'placed' AS state"} FROM guildway_meta`,
    { ordinal: number, fingerprint: text, topology: text, incarnation: number, state: oneOf('claimed', 'placed') },
  ).get();
  if (row === undefined) return null;
  return {
    ...row,
    topology: JSON.parse(row.topology) as TopologyRecord,
  };
}

/**
 * Checks whether this pod, under this topology, owns the rows of a database.
 * @returns null if it does, else TOPOLOGY_MISMATCH with both topologies and the remedy
 */
export function findMisplacement(placed: Placement | null, ordinal: number, topology: Topology): GuildwayError | null {
  if (placed === null) return null;
  const given = topology.toRecord();
  const mismatch = (message: string) =>
    new GuildwayError('TOPOLOGY_MISMATCH', message, {
      facts: { dataOrdinal: placed.ordinal, data: placed.topology, ordinal, given },
    });
  if (placed.ordinal !== ordinal) {
    return mismatch(
      `this database belongs to gateway-${placed.ordinal}, but this pod is gateway-${ordinal}: give each pod its own volume`,
    );
  }
  // With a single pod, every strategy places every row at pod 0.
  const same = placed.fingerprint === topology.fingerprint || (placed.topology.pods === 1 && given.pods === 1);
  if (!same) {
    const what =
      placed.state === 'placed' ? 'the rows of this database were placed under' : 'this database was created for';
    return mismatch(
      `${what} ${asVariables(placed.topology)}, but this pod was given ${asVariables(given)}: restore the former setting, or start the pod with an empty database`,
    );
  }
  if (given.epoch < placed.topology.epoch) {
    return mismatch(
      `this database has seen TOPOLOGY_EPOCH=${placed.topology.epoch}, but this pod was given ${given.epoch}: its configuration is older than its data`,
    );
  }
  return null;
}

/**
 * Whether a pod may rely on its own database alone because it has served under exactly this topology and epoch. Otherwise the
 * other pods must agree first: a higher epoch means that the topology changed in between, so rows may have moved.
 */
export function isSettled(placed: Placement | null, topology: Topology): boolean {
  return placed?.state === 'placed' && placed.topology.epoch === topology.epoch;
}

/**
 * Records that this pod will place its rows under a topology. The record is on disk when this returns. The tables must exist.
 */
export function recordClaim(connection: Connection, ordinal: number, topology: Topology): void {
  connection.transaction('full', () =>
    connection.sqlite
      .prepare(
        `INSERT INTO guildway_meta (id, ordinal, fingerprint, topology, epoch, incarnation, state)
         VALUES (1, ?, ?, ?, ?, 0, 'claimed')`,
      )
      .run(ordinal, topology.fingerprint, JSON.stringify(topology.toRecord()), topology.epoch),
  );
}

/**
 * Takes the database for this process: records the topology, increments the incarnation, and fences every later transaction
 * with both. Requires that {@link findMisplacement} returned null and that the tables exist.
 * @returns the incarnation, from 1
 */
export function takeOwnership(connection: Connection, ordinal: number, topology: Topology): number {
  const { sqlite } = connection;
  const { incarnation, epoch } = connection.transaction('full', () =>
    query(
      sqlite,
      `INSERT INTO guildway_meta (id, ordinal, fingerprint, topology, epoch, incarnation, state)
         VALUES (1, ?, ?, ?, ?, 1, 'placed')
         ON CONFLICT DO UPDATE SET fingerprint = excluded.fingerprint, topology = excluded.topology,
           epoch = excluded.epoch, incarnation = incarnation + 1, state = excluded.state
         RETURNING incarnation, epoch`,
      { incarnation: number, epoch: number },
    ).one(ordinal, topology.fingerprint, JSON.stringify(topology.toRecord()), topology.epoch),
  );
  const current = sqlite.prepare('SELECT incarnation, epoch FROM guildway_meta');
  connection.setFence(() => {
    const row = current.get();
    if (row?.incarnation === incarnation && row.epoch === epoch) return;
    throw new GuildwayError(
      'FENCED',
      `this process (incarnation ${incarnation}, epoch ${epoch}) no longer owns its database (incarnation ${row?.incarnation}, epoch ${row?.epoch})`,
      { facts: { incarnation, epoch, found: { ...row } } },
    );
  });
  return incarnation;
}
