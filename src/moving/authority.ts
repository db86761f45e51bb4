import { type Topology, type TopologyRecord, topologyOf } from '../routing/topology.ts';
import type { MovingState } from './state.ts';

/** The owner of a guild under a topology. */
export type OwnerOf = (topology: TopologyRecord, guild: string) => number;

const compiled = new WeakMap<TopologyRecord, Topology>();

/** The arithmetic of `src/routing`; each topology is compiled once. */
export const ownerByTopology: OwnerOf = (record, guild) => {
  let topology = compiled.get(record);
  if (topology === undefined) {
    topology = topologyOf(record);
    compiled.set(record, topology);
  }
  return topology.ownerOf(guild);
};

export const newest = ({ chain }: Pick<MovingState, 'chain'>): TopologyRecord => chain.at(-1) as TopologyRecord;

/**
 * The pod that decides about a guild of which this pod has no record: the owner under the topology in force, until that pod is done under a
 * newer topology that has another owner. A pod learns of its own being done before all others, so no two pods take a guild for theirs.
 *
 * That pod may also have moved the guild under a topology in between. The owners under those either have a record of it or know nothing,
 * so the last owner asks them (redirects) until they are done too.
 */
export function authorityOf({ ordinal, chain, done }: MovingState, guild: string, ownerOf: OwnerOf): number {
  if (chain.length === 1) return ownerOf(chain[0], guild);
  const owner = (index: number): number => ownerOf(chain[index] as TopologyRecord, guild);
  /** The first topology after `index` under which the pod has given the guild away, if it had it; else -1. */
  const gaveAway = (pod: number, index: number): number =>
    chain.findIndex(({ epoch }, at) => at > index && done.get(pod)?.has(epoch) === true && owner(at) !== pod);
  let mayHold: number | null = null;
  for (let index = 0; ; ) {
    const pod = owner(index);
    const next = gaveAway(pod, index);
    if (next === -1) return pod === ordinal && mayHold !== null ? mayHold : pod;
    for (let between = index + 1; between < next; between++) {
      const other = owner(between);
      if (other !== pod && other !== ordinal && gaveAway(other, between) === -1) mayHold ??= other;
    }
    index = next;
  }
}

/** Every pod that may have guilds: those of the topology in force and of all newer ones. */
export function everyPod({ chain }: Pick<MovingState, 'chain'>): number[] {
  return Array.from({ length: Math.max(...chain.map(({ pods }) => pods)) }, (_, ordinal) => ordinal);
}
