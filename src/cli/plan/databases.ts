import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { BotDefinition } from '../../bot/types.ts';
import { GuildwayError } from '../../errors.ts';
import { findCollisions } from '../../gateway/store/moving/collisions.ts';
import { type OpenedInventory, openInventory } from '../../gateway/store/moving/inventory.ts';
import { asVariables, fingerprintOf, type Topology, type TopologyRecord } from '../../routing/topology.ts';
import type { PodCollision } from './move-plan.ts';

/** The file of a pod of the local cluster. */
const FILE = 'guildway.sqlite3';
const FOLDER = /^gateway-(\d{1,5})$/;

export interface DatabaseFile {
  readonly pod: number;
  readonly path: string;
}

export interface PodDatabase extends DatabaseFile, OpenedInventory {}

/**
 * Finds the database of each pod.
 * @param given `gateway-0=path` for one pod; a directory with `gateway-0/guildway.sqlite3` and so on; or the path of the only pod
 * @throws GuildwayError CONFIG_INVALID
 */
export function findDatabases(given: readonly string[]): DatabaseFile[] {
  const found = given.flatMap((value): DatabaseFile[] => {
    const named = /^gateway-(\d{1,5})=(.+)$/.exec(value);
    if (named !== null) return [{ pod: Number(named[1]), path: existing(named[2] as string, value) }];
    if (!statSync(existing(value, value)).isDirectory()) return [{ pod: 0, path: value }];
    const pods = readdirSync(value).flatMap((name) => {
      const path = join(value, name, FILE);
      const [, ordinal] = FOLDER.exec(name) ?? [];
      return ordinal !== undefined && existsSync(path) ? [{ pod: Number(ordinal), path }] : [];
    });
    if (pods.length > 0) return pods;
    throw invalid(
      `--database ${value}: the directory has no gateway-0/${FILE}: name the files, as --database gateway-0=path`,
    );
  });
  const seen = new Set<number>();
  for (const { pod } of found) {
    if (seen.has(pod))
      throw invalid(`--database: gateway-${pod} is given twice: name each pod once, as gateway-${pod}=path`);
    seen.add(pod);
  }
  return found.toSorted((a, b) => a.pod - b.pod);
}

/**
 * Opens the database of every pod for reading.
 * @throws GuildwayError BOT_INVALID, STORE_FAILED, CONFIG_INVALID; all are closed then
 */
export function openDatabases(
  files: readonly DatabaseFile[],
  bot: Pick<BotDefinition, 'tables' | 'global'>,
): PodDatabase[] {
  const opened: PodDatabase[] = [];
  try {
    for (const { pod, path } of files) {
      const inventory = named(pod, path, () => openInventory(path, bot));
      opened.push({ pod, path, ...inventory });
      const { placement } = inventory.inventory;
      if (placement !== null && placement.ordinal !== pod) {
        throw invalid(`${path} is the database of gateway-${placement.ordinal}, not of gateway-${pod}`);
      }
    }
    return opened;
  } catch (error) {
    for (const database of opened) database[Symbol.dispose]();
    throw error;
  }
}

/**
 * The topology that placed the rows.
 * @throws GuildwayError CONFIG_INVALID when the databases disagree, or one is not there
 */
export function presentTopology(databases: readonly PodDatabase[]): TopologyRecord {
  const placed = databases.flatMap(({ pod, inventory }) =>
    inventory.placement === null ? [] : [{ pod, topology: inventory.placement.topology }],
  );
  const newest = placed.toSorted((a, b) => b.topology.epoch - a.topology.epoch)[0];
  if (newest === undefined) throw invalid('no database has rows: nothing would move');
  const { topology } = newest;
  for (const { pod, topology: other } of placed) {
    if (other.epoch === topology.epoch && fingerprintOf(other) !== fingerprintOf(topology)) {
      throw invalid(
        `gateway-${newest.pod} was placed under ${asVariables(topology)}, but gateway-${pod} under ${asVariables(other)}: name the databases of one cluster`,
      );
    }
  }
  const missing = Array.from({ length: topology.pods }, (_, pod) => pod).filter(
    (pod) => !databases.some((database) => database.pod === pod),
  );
  if (missing.length === 0) return topology;
  const named = missing.map((pod) => `gateway-${pod}`).join(', ');
  throw invalid(
    `the rows are on ${topology.pods} pods (${asVariables(topology)}), but the database of ${named} is not given: pass --database gateway-${missing[0]}=path, too`,
  );
}

/** Keys that rows of two pods have in common, for each two pods between which guilds move. */
export function collisionsBetween(databases: readonly PodDatabase[], to: Topology): PodCollision[] {
  return databases.flatMap((one, at) =>
    databases.slice(at + 1).flatMap((other) => {
      if (!exchanges(one, other, to) && !exchanges(other, one, to)) return [];
      const tables = one.tables.filter(({ name }) => other.tables.some((table) => table.name === name));
      const found = findCollisions([one.path, other.path], tables);
      return found.map((collision): PodCollision => ({ ...collision, pods: [one.pod, other.pod] }));
    }),
  );
}

const exchanges = (from: PodDatabase, other: PodDatabase, to: Topology): boolean =>
  from.inventory.guilds.some(([guildId]) => to.ownerOf(guildId) === other.pod);

function existing(path: string, option: string): string {
  if (existsSync(path)) return path;
  throw invalid(`--database ${option}: there is no ${path}`);
}

/** Names the pod and the file in an error about its tables. */
function named<Result>(pod: number, path: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof GuildwayError) || error.code !== 'BOT_INVALID') throw error;
    throw new GuildwayError(
      'BOT_INVALID',
      `gateway-${pod} (${path}): ${error.message}. Name the bot that wrote this database with --bot, and start it once on this database if its migrations are newer`,
      { cause: error },
    );
  }
}

const invalid = (message: string): GuildwayError => new GuildwayError('CONFIG_INVALID', message);
