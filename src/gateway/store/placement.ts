import { GuildwayError } from '../../errors.ts';
import type { Topology, TopologyRecord } from '../../routing/topology.ts';
import type { Connection } from './connection.ts';

/** Under which topology the rows of a database were placed, and at which pod. */
interface Placement {
  readonly ordinal: number;
  readonly fingerprint: string;
  readonly topology: TopologyRecord;
  readonly incarnation: number;
}

/** A database of a bot that ran before Guildway: one pod had every guild. */
const BEFORE_GUILDWAY: Placement = {
  ordinal: 0,
  fingerprint: 'md5/1',
  topology: { strategy: 'md5', pods: 1, shards: null, epoch: 1 },
  incarnation: 0,
};

function readPlacement({ sqlite }: Connection): Placement | null {
  const tables = sqlite
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    .all();
  // Litestream, too, keeps tables here, and may be quicker than this process's first migration.
  const names = tables.map((row) => row.name as string).filter((name) => !name.startsWith('_litestream_'));
  if (!names.includes('guildway_meta')) {
    return names.some((name) => !name.startsWith('guildway_')) ? BEFORE_GUILDWAY : null;
  }
  const row = sqlite.prepare('SELECT ordinal, fingerprint, topology, incarnation FROM guildway_meta').get();
  if (row === undefined) return null;
  return { ...row, topology: JSON.parse(row.topology as string) } as Placement;
}

/** The variables that make this topology, as they would stand in an environment. */
function asVariables({ strategy, pods, shards, epoch }: TopologyRecord): string {
  const parts = [`NUM_GATEWAY_PODS=${pods}`, `ROUTING=${strategy}`];
  if (shards !== null) parts.push(`DISCORD_SHARDS=${shards}`);
  parts.push(`TOPOLOGY_EPOCH=${epoch}`);
  return parts.join(' ');
}

/**
 * Whether the rows of a database are where this pod, under this topology, looks for them.
 * @returns null if so, else TOPOLOGY_MISMATCH with both topologies and what to do; nothing has been written then
 */
export function findMisplacement(connection: Connection, ordinal: number, topology: Topology): GuildwayError | null {
  const placed = readPlacement(connection);
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
  // With one pod, every strategy places every row at pod 0.
  const same = placed.fingerprint === topology.fingerprint || (placed.topology.pods === 1 && given.pods === 1);
  if (!same) {
    return mismatch(
      `the rows of this database were placed under ${asVariables(placed.topology)}, but this pod was given ${asVariables(given)}: give it back the former, or start it on an empty database`,
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
 * Takes the database for this process: records the topology, counts the incarnation up, and fences every transaction from now on
 * with both. Call it when {@link findMisplacement} found nothing and the tables exist.
 * @returns the incarnation, from 1
 */
export function takeOwnership(connection: Connection, ordinal: number, topology: Topology): number {
  const { sqlite } = connection;
  const { incarnation, epoch } = connection.transaction(
    'full',
    () =>
      sqlite
        .prepare(
          `INSERT INTO guildway_meta (id, ordinal, fingerprint, topology, epoch, incarnation) VALUES (1, ?, ?, ?, ?, 1)
           ON CONFLICT DO UPDATE SET fingerprint = excluded.fingerprint, topology = excluded.topology,
             epoch = excluded.epoch, incarnation = incarnation + 1
           RETURNING incarnation, epoch`,
        )
        .get(ordinal, topology.fingerprint, JSON.stringify(topology.toRecord()), topology.epoch) as {
        incarnation: number;
        epoch: number;
      },
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
