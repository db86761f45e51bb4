import { DatabaseSync } from 'node:sqlite';
import { createTopology, type Topology, type TopologyOptions, type TopologyRecord } from '../../src/public-routing.ts';

/**
 * The topologies of a directory's databases, from the one in force to the newest, as pod 0 knows them. Pod 0 decides which comes next.
 * @returns null: there is no database yet
 */
export function readTopologies(path: string): readonly [TopologyRecord, ...TopologyRecord[]] | null {
  let sqlite: DatabaseSync;
  try {
    sqlite = new DatabaseSync(path, { readOnly: true });
  } catch {
    return null;
  }
  try {
    const read = (table: string, column: string): string | undefined => {
      const known = sqlite.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(table);
      const row = known === undefined ? undefined : sqlite.prepare(`SELECT ${column} AS value FROM ${table}`).get();
      return row === undefined ? undefined : String(row.value);
    };
    const chain = JSON.parse(read('guildway_moving', 'chain') ?? '[]') as TopologyRecord[];
    const [first, ...rest] = chain;
    if (first !== undefined) return [first, ...rest];
    const placed = read('guildway_meta', 'topology');
    return placed === undefined ? null : [JSON.parse(placed) as TopologyRecord];
  } finally {
    sqlite.close();
  }
}

/** The topology to start with: a change of the present one has the next epoch. */
export function nextTopology(wanted: TopologyOptions, present: TopologyRecord | undefined): Topology {
  const epoch = present?.epoch ?? 1;
  const topology = createTopology({ ...wanted, epoch });
  if (present === undefined) return topology;
  const same = createTopology({ ...present, shards: present.shards ?? undefined }).fingerprint === topology.fingerprint;
  return same ? topology : createTopology({ ...wanted, epoch: epoch + 1 });
}
