import { GuildwayError } from '../../errors.ts';
import type { Chain } from '../../moving/state.ts';
import { asVariables, fingerprintOf, type Topology, type TopologyRecord } from '../../routing/topology.ts';
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
  /** The one in force. */
  readonly topology: TopologyRecord;
  /** The one in force, and newer ones whose guilds are still moving. */
  readonly chain: Chain;
  readonly incarnation: number;
  readonly state: PlacementState;
}

const ONE_POD: TopologyRecord = { strategy: 'md5', pods: 1, shards: null, epoch: 1 };

/** The database of a bot that ran before Guildway: one pod had every guild. */
const BEFORE_GUILDWAY: Placement = {
  ordinal: 0,
  topology: ONE_POD,
  chain: [ONE_POD],
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
    `SELECT ordinal, topology, incarnation, ${hasState ? 'state' : "'placed' AS state"} FROM guildway_meta`,
    { ordinal: number, topology: text, incarnation: number, state: oneOf('claimed', 'placed') },
  ).get();
  if (row === undefined) return null;
  const moving = names.includes('guildway_moving')
    ? query(sqlite, 'SELECT chain FROM guildway_moving', { chain: text }).get()
    : undefined;
  const chain = JSON.parse(moving?.chain ?? `[${row.topology}]`) as Chain;
  return { ...row, topology: chain[0], chain };
}

/**
 * Whether this pod may use a database. Rows that were placed under another topology are no obstacle: their guilds are served here until
 * they have moved.
 * @returns null if so, else TOPOLOGY_MISMATCH with what to do
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
  if (placed.state === 'claimed' && fingerprintOf(placed.topology) !== topology.fingerprint) {
    return mismatch(
      `this database was made for ${asVariables(placed.topology)}, but this pod was given ${asVariables(given)}: give it back the former, or start it on an empty database`,
    );
  }
  return null;
}

/** Records on disk, before it returns, that this pod will place its rows under a topology. The tables must exist. */
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

/** Records on disk, before it returns, that this pod has no rows and what other pods know. The tables must exist. */
export function recordJoin(connection: Connection, chain: Chain): void {
  connection.transaction('full', () =>
    connection.sqlite
      .prepare(
        `INSERT INTO guildway_moving (id, chain, done, recovering, complete_to) VALUES (1, ?, '[]', '[]', 0)
         ON CONFLICT DO UPDATE SET chain = excluded.chain`,
      )
      .run(JSON.stringify(chain)),
  );
}

/**
 * Takes the database for this process: increments the incarnation, and fences every transaction from now on with it. Call it when
 * {@link findMisplacement} found nothing and the tables exist.
 * @param topology the one in force
 * @returns the incarnation, from 1
 */
export function takeOwnership(connection: Connection, ordinal: number, topology: TopologyRecord): number {
  const { sqlite } = connection;
  const { incarnation } = connection.transaction('full', () =>
    query(
      sqlite,
      `INSERT INTO guildway_meta (id, ordinal, fingerprint, topology, epoch, incarnation, state)
         VALUES (1, ?, ?, ?, ?, 1, 'placed')
         ON CONFLICT DO UPDATE SET fingerprint = excluded.fingerprint, topology = excluded.topology,
           epoch = excluded.epoch, incarnation = incarnation + 1, state = excluded.state
         RETURNING incarnation`,
      { incarnation: number },
    ).one(ordinal, fingerprintOf(topology), JSON.stringify(topology), topology.epoch),
  );
  const current = sqlite.prepare('SELECT incarnation FROM guildway_meta');
  connection.setFence(() => {
    const row = current.get();
    if (row?.incarnation === incarnation) return;
    throw new GuildwayError(
      'FENCED',
      `this process (incarnation ${incarnation}) no longer owns its database (incarnation ${row?.incarnation})`,
      { facts: { incarnation, found: { ...row } } },
    );
  });
  return incarnation;
}
