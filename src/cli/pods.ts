import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GuildwayError } from '../errors.ts';
import type { Readiness } from '../observability/admin-server.ts';
import type { TopologyRecord } from '../routing/topology.ts';

/** What a gateway pod says of itself in `/_guildway/state`. A pod that does not serve yet leaves out what it does not know. */
export interface PodState extends Readiness {
  readonly pod: number;
  readonly name: string;
  readonly topology: TopologyRecord;
  /** What it knows of the move of guilds. */
  readonly moving?: {
    /** From the one in force to the newest. More than one: guilds move. */
    readonly topologies: readonly TopologyRecord[];
    readonly done: readonly { readonly pod: number; readonly epochs: readonly number[] }[];
    /** Guilds of this pod that have to leave: known to be left, and on their way. */
    readonly toMove: number;
    readonly leaving: number;
    /** Guilds that have arrived under topologies that are not in force yet. */
    readonly arrived: number;
    readonly troubles: readonly { readonly why: string; readonly guilds: number; readonly example: string }[];
    /** Why the topology that the pod was given is not used; null if it is. */
    readonly problem: string | null;
  };
  /** Bytes of its files. */
  readonly database?: { readonly database: number; readonly wal: number };
  readonly hints?: { readonly count: number; readonly bytes: number; readonly setAside: number };
  /** Null: the pod has no token, and so no sessions. */
  readonly discord?: { readonly guilds: number; readonly shards: readonly ShardState[] } | null;
}

interface ShardState {
  readonly shard: number;
  readonly state: string;
}

/** `/pods` on the admin port of an HTTP pod or a monolith. */
export interface Pods {
  readonly answers: Readonly<Record<string, PodState>>;
  readonly missing: readonly { readonly pod: number; readonly reason: string }[];
}

/** The file that a local cluster keeps in its directory while it runs. */
export const CLUSTER_FILE = 'cluster.json';

export interface ClusterFile {
  /** Of one HTTP pod. */
  readonly adminUrl: string;
  /** The console of the simulator. Not there: the cluster uses the real Discord. */
  readonly consoleUrl?: string;
  /** The bot's module. Not there: the moderation bot. */
  readonly bot?: string;
}
const TIMEOUT_MS = 15_000;

/**
 * The admin URL to ask: the given one, else the local cluster of the working directory, else this pod's own admin port.
 * @param directory of a local cluster
 */
export async function findAdminUrl(given: string | undefined, directory: string): Promise<string> {
  if (given !== undefined) return given;
  return (await readCluster(directory))?.adminUrl ?? `http://127.0.0.1:${process.env.ADMIN_PORT ?? 9090}`;
}

/** What {@link CLUSTER_FILE} says about the local cluster of a directory; null: none runs there. */
export async function readCluster(directory: string): Promise<ClusterFile | null> {
  try {
    return JSON.parse(await readFile(join(directory, CLUSTER_FILE), 'utf8')) as ClusterFile;
  } catch {
    return null;
  }
}

/**
 * Asks for the state of all gateway pods. Takes up to 15 s, because the HTTP pod waits for pods that do not answer.
 * @throws GuildwayError LINK_UNAVAILABLE when the port does not answer; REQUEST_INVALID when it belongs to another service
 */
export async function fetchPods(adminUrl: string): Promise<Pods> {
  const remedy =
    'pass the admin port of an HTTP pod or a monolith: guildway status --admin http://host:9090. In Kubernetes: kubectl exec deploy/http-service -- node src/cli/index.js status';
  let response: Response;
  try {
    response = await fetch(new URL('/pods', adminUrl), { signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (cause) {
    const why = ((cause as Error).cause as Error | undefined)?.message ?? (cause as Error).message;
    throw new GuildwayError('LINK_UNAVAILABLE', `no answer from ${adminUrl} (${why}): ${remedy}`, { cause });
  }
  const pods = (await response.json().catch(() => null)) as Pods | null;
  if (response.ok && pods?.answers !== undefined) return pods;
  throw new GuildwayError('REQUEST_INVALID', `${adminUrl} has no /pods (${response.status}): ${remedy}`);
}
