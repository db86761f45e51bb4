import type { TopologyRecord } from '../routing/topology.ts';
import { createTopology, type Topology } from '../routing/topology.ts';
import type { MovingState } from './state.ts';

/** The owner of a guild under a topology. */
export type OwnerOf = (topology: TopologyRecord, guild: string) => number;

const compiled = new WeakMap<TopologyRecord, Topology>();

/** The arithmetic of `src/routing`; each topology is compiled once. */
export const ownerByTopology: OwnerOf = (record, guild) => {
  let topology = compiled.get(record);
  if (topology === undefined) {
    topology = createTopology({ ...record, shards: record.shards ?? undefined });
    compiled.set(record, topology);
  }
  return topology.ownerOf(guild);
};

export const newest = ({ chain }: Pick<MovingState, 'chain'>): TopologyRecord => chain.at(-1) as TopologyRecord;

/**
 * The pod that decides about a guild without a record, as far as this pod knows: the owner under the topology in force; once that pod
 * is done under a newer one, the owner under the newer one, and so on.
 */
export function authorityOf(state: MovingState, guild: string, ownerOf: OwnerOf): number {
  const [inForce, ...newer] = state.chain;
  let pod = ownerOf(inForce, guild);
  for (const topology of newer) {
    if (state.done.get(pod)?.has(topology.epoch) === true) pod = ownerOf(topology, guild);
  }
  return pod;
}

/** Every pod that may have guilds: those of the topology in force and of all newer ones. */
export function everyPod({ chain }: Pick<MovingState, 'chain'>): number[] {
  return Array.from({ length: Math.max(...chain.map(({ pods }) => pods)) }, (_, ordinal) => ordinal);
}
