import type { Chain } from '../../moving/state.ts';
import { topologyOf } from '../../routing/topology.ts';

/** The number of shards of a pod's sessions: that of the newest topology. Null: the one that Discord recommends. */
export const shardCountOf = (chain: Chain, configured: number | null): number | null =>
  chain.at(-1)?.shards ?? configured;

/**
 * The shards that have guilds of this pod under any of the topologies: those that it has, and those that are to come.
 * @param count the number of shards of this pod's sessions. Under `md5`, and under a topology with another number, any shard may
 *   have guilds of any pod
 */
export function neededShards(chain: Chain, ordinal: number, count: number): number[] {
  const needed = new Set<number>();
  for (const record of chain) {
    if (ordinal >= record.pods) continue;
    const own = record.shards === count ? topologyOf(record).shardsOf(ordinal) : null;
    for (const shard of own ?? Array.from({ length: count }, (_, id) => id)) needed.add(shard);
  }
  return [...needed].toSorted((a, b) => a - b);
}
