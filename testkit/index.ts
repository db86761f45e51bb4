/** `guildway/testkit`: a Discord simulator and a local cluster for tests of bots. */

export {
  type Cluster,
  type ClusterOptions,
  type DiscordCredentials,
  type Exit,
  type Pod,
  startCluster,
} from './cluster/index.ts';
export * from './discord/index.ts';
