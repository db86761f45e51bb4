/**
 * `guildway/routing`: which pod owns a guild. Pure arithmetic: no I/O except reading the environment if an argument is
 * omitted, no configuration service, no lookup.
 */
import { loadRoutingConfig } from './config/load.ts';
import { GuildwayError } from './errors.ts';
import { gatewayUrl } from './routing/gateway-url.ts';
import { md5FirstWord } from './routing/md5.ts';
import { parseGuildId } from './routing/snowflake.ts';
import { createTopology } from './routing/topology.ts';

export { assignShards, discordShard } from './routing/discord-shards.ts';
export { gatewayUrl } from './routing/gateway-url.ts';
export { md5FirstWord } from './routing/md5.ts';
export { isSnowflake, parseGuildId } from './routing/snowflake.ts';
export {
  createTopology,
  GUILDLESS_POD,
  type RoutingStrategy,
  type Topology,
  type TopologyOptions,
  type TopologyRecord,
} from './routing/topology.ts';

/**
 * The ordinal of the gateway pod that owns a guild.
 * @param guildId an untrusted snowflake: it is validated
 * @param numGatewayPods N; with it, the published contract `md5(guildId).readUInt32BE(0) % N`. Without it, the whole routing
 *   configuration is read from the environment: NUM_GATEWAY_PODS (3), ROUTING (md5), DISCORD_SHARDS.
 * @throws GuildwayError GUILD_ID_INVALID, CONFIG_INVALID
 */
export function getGatewayPodForGuild(guildId: string, numGatewayPods?: number): number {
  const valid = parseGuildId(guildId);
  if (numGatewayPods !== undefined) {
    if (!Number.isSafeInteger(numGatewayPods) || numGatewayPods < 1) {
      throw new GuildwayError(
        'CONFIG_INVALID',
        `numGatewayPods: ${numGatewayPods} is not allowed; it must be an integer of 1 or more`,
      );
    }
    return md5FirstWord(valid) % numGatewayPods;
  }
  const { routing, numGatewayPods: pods, discordShards } = loadRoutingConfig(process.env);
  return createTopology({ strategy: routing, pods, shards: discordShards ?? undefined }).ownerOf(valid);
}

/**
 * The URL of the gateway pod that owns a guild, such as `http://gateway-1.gateway-internal:3000`.
 * Arguments and errors as for {@link getGatewayPodForGuild}; GATEWAY_URL_TEMPLATE is always read from the environment.
 */
export function getGatewayUrl(guildId: string, numGatewayPods?: number): string {
  return gatewayUrl(loadRoutingConfig(process.env).gatewayUrlTemplate, getGatewayPodForGuild(guildId, numGatewayPods));
}
