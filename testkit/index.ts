/** `guildway/testkit`: a Discord of your own and a cluster on your machine, for tests of bots. */

export {
  type Cluster,
  type ClusterOptions,
  type DiscordCredentials,
  type Exit,
  type Pod,
  startCluster,
} from './cluster/index.ts';
export * from './discord/index.ts';
