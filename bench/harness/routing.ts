import { createTopology, type RoutingStrategy, type Topology } from '../../src/public-routing.ts';

const SHARDS_PER_POD = 2;

/** The topology of this many gateway pods. With `discord-shard` each pod has two shards. */
export function topologyOf(strategy: RoutingStrategy, pods: number): Topology {
  return createTopology({ strategy, pods, shards: strategy === 'discord-shard' ? SHARDS_PER_POD * pods : undefined });
}

/** The environment variables that give Guildway's pods the same topology. */
export function routingEnvironment({ strategy, pods, shards }: Topology): Record<string, string> {
  return {
    ...{ NUM_GATEWAY_PODS: String(pods), ROUTING: strategy },
    ...(shards === null ? {} : { DISCORD_SHARDS: String(shards) }),
  };
}
