import { createTopology, type RoutingStrategy, type Topology } from '../../src/public-routing.ts';

const SHARDS_PER_POD = 2;

/** The owners of guilds among so many gateway pods. With `discord-shard` each pod has two shards. */
export function topologyOf(strategy: RoutingStrategy, pods: number): Topology {
  return createTopology({ strategy, pods, shards: strategy === 'discord-shard' ? SHARDS_PER_POD * pods : undefined });
}

/** What a pod of ours has in its environment to compute the same owners. */
export function routingEnvironment({ strategy, pods, shards }: Topology): Record<string, string> {
  return {
    ...{ NUM_GATEWAY_PODS: String(pods), ROUTING: strategy },
    ...(shards === null ? {} : { DISCORD_SHARDS: String(shards) }),
  };
}
