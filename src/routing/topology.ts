import { GuildwayError } from '../errors.ts';
import { assignShards, discordShard } from './discord-shards.ts';
import { md5FirstWord } from './md5.ts';

/** The pod that owns everything without a guild: DMs, user installs, entitlements. Discord itself sends these to shard 0. */
export const GUILDLESS_POD = 0;

export type RoutingStrategy = 'md5' | 'discord-shard';

/** What decides ownership: the strategy, its parameters, the number of pods, and the epoch of this decision. */
export interface TopologyOptions {
  readonly strategy: RoutingStrategy;
  /** Number of gateway pods, N >= 1. */
  readonly pods: number;
  /** Discord's shard count S >= N; required by `discord-shard`, ignored under `md5`. */
  readonly shards?: number | undefined;
  /** Increases by one with every change of the other three; >= 1, default 1. */
  readonly epoch?: number | undefined;
}

/** A topology as plain data, for the database and the handshake. */
export interface TopologyRecord {
  readonly strategy: RoutingStrategy;
  readonly pods: number;
  readonly shards: number | null;
  readonly epoch: number;
}

export interface Topology extends TopologyRecord {
  /** Same ownership if and only if same fingerprint; the epoch is not part of it. Example: `md5/3`. */
  readonly fingerprint: string;
  /** The ordinal of the pod that owns a validated guild id, or pod 0 for `null`. */
  ownerOf(guildId: string | null): number;
  /** The shards whose guilds `ordinal` owns. Null under `md5`, where every shard has guilds of every pod. */
  shardsOf(ordinal: number): readonly number[] | null;
  toRecord(): TopologyRecord;
}

/** Identifies an assignment of guilds: two topologies with the same fingerprint place every guild on the same pod. Example: `md5/3`. */
export function fingerprintOf({ strategy, pods, shards }: TopologyRecord): string {
  return strategy === 'md5' ? `md5/${pods}` : `discord-shard/${shards}/${pods}`;
}

/** The most pods and shards of a topology. A greater number is a mistake. */
export const MAX_PODS = 10_000;
export const MAX_SHARDS = 100_000;

/** A topology as one word for a header: its fingerprint and epoch. Example: `md5/5@2`. {@link parseTopologyText} reads it. */
export const topologyText = (topology: TopologyRecord): string => `${fingerprintOf(topology)}@${topology.epoch}`;

const TEXT = /^(?:md5|discord-shard\/([1-9]\d{0,5}))\/([1-9]\d{0,4})@([1-9]\d{0,14})$/;

/** Reads what {@link topologyText} writes. @returns null for anything else, and for a topology that cannot exist */
export function parseTopologyText(text: string): TopologyRecord | null {
  const parts = TEXT.exec(text);
  if (parts === null) return null;
  const [, shards, pods, epoch] = parts;
  const record: TopologyRecord = {
    strategy: shards === undefined ? 'md5' : 'discord-shard',
    pods: Number(pods),
    shards: shards === undefined ? null : Number(shards),
    epoch: Number(epoch),
  };
  return isPossible(record) ? record : null;
}

/** Whether a topology that another pod named can exist. */
export const isPossible = ({ strategy, pods, shards }: TopologyRecord): boolean =>
  pods <= MAX_PODS &&
  (strategy === 'md5' ? shards === null : shards !== null && shards >= pods && shards <= MAX_SHARDS);

/** The environment variables that define a topology, as an operator writes them. */
export function asVariables({ strategy, pods, shards, epoch }: TopologyRecord): string {
  const parts = [`NUM_GATEWAY_PODS=${pods}`, `ROUTING=${strategy}`];
  if (shards !== null) parts.push(`DISCORD_SHARDS=${shards}`);
  parts.push(`TOPOLOGY_EPOCH=${epoch}`);
  return parts.join(' ');
}

/** Compiles a topology that came as plain data. @throws GuildwayError CONFIG_INVALID */
export const topologyOf = (record: TopologyRecord): Topology =>
  createTopology({ ...record, shards: record.shards ?? undefined });

/** Compiles a routing decision. @throws GuildwayError CONFIG_INVALID */
export function createTopology(options: TopologyOptions): Topology {
  const { strategy, pods } = options;
  const epoch = options.epoch ?? 1;
  if (!Number.isSafeInteger(pods) || pods < 1) {
    throw new GuildwayError('CONFIG_INVALID', `a topology needs 1 pod or more, not ${pods}`);
  }
  if (!Number.isSafeInteger(epoch) || epoch < 1) {
    throw new GuildwayError('CONFIG_INVALID', `an epoch is an integer of 1 or more, not ${epoch}`);
  }
  if (strategy === 'md5') {
    const record: TopologyRecord = Object.freeze({ strategy, pods, shards: null, epoch });
    return Object.freeze({
      ...record,
      fingerprint: fingerprintOf(record),
      ownerOf: (guildId: string | null) => (guildId === null ? GUILDLESS_POD : md5FirstWord(guildId) % pods),
      shardsOf: () => null,
      toRecord: () => record,
    });
  }
  if (strategy !== 'discord-shard') {
    throw new GuildwayError('CONFIG_INVALID', `unknown routing strategy ${JSON.stringify(strategy)}`);
  }
  const { shards } = options;
  if (shards === undefined) throw new GuildwayError('CONFIG_INVALID', 'discord-shard needs the number of shards');
  const podOfShard = assignShards(shards, pods);
  const record: TopologyRecord = Object.freeze({ strategy, pods, shards, epoch });
  return Object.freeze({
    ...record,
    fingerprint: fingerprintOf(record),
    ownerOf: (guildId: string | null) =>
      guildId === null ? GUILDLESS_POD : (podOfShard[discordShard(guildId, shards)] as number),
    shardsOf: (ordinal: number) => podOfShard.flatMap((pod, shard) => (pod === ordinal ? [shard] : [])),
    toRecord: () => record,
  });
}
