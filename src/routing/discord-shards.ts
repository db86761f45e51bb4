import { GuildwayError } from '../errors.ts';

/**
 * Discord's own sharding formula: `(guildId >> 22) % shards`.
 * Source: Discord's gateway documentation, "Sharding".
 * @param guildId a validated snowflake
 */
export function discordShard(guildId: string, shards: number): number {
  return Number((BigInt(guildId) >> 22n) % BigInt(shards));
}

/**
 * Which pod owns which shard: `result[shard]` is an ordinal.
 *
 * One pod owns all. Each further pod takes `floor(shards / pods)` shards, one at a time the highest-numbered shard of the
 * pod that has most (of several, the highest ordinal). So the counts differ by at most one, a step N -> N+1 moves only
 * what the new pod receives, and shard 0 (with everything that has no guild) stays on pod 0.
 * @throws GuildwayError CONFIG_INVALID unless shards >= pods >= 1
 */
export function assignShards(shards: number, pods: number): readonly number[] {
  if (!Number.isInteger(pods) || pods < 1 || !Number.isInteger(shards) || shards < pods) {
    throw new GuildwayError(
      'CONFIG_INVALID',
      `cannot give ${shards} shards to ${pods} pods: every pod needs one shard or more`,
    );
  }
  // Ascending lists, so that pop() is the highest-numbered shard.
  const owned: number[][] = [Array.from({ length: shards }, (_, shard) => shard)];
  for (let pod = 1; pod < pods; pod++) {
    const mine: number[] = [];
    const quota = Math.floor(shards / (pod + 1));
    while (mine.length < quota) {
      let donor = 0;
      for (let other = 1; other < pod; other++) {
        if ((owned[other] as number[]).length >= (owned[donor] as number[]).length) donor = other;
      }
      mine.push((owned[donor] as number[]).pop() as number);
    }
    owned.push(mine.sort((a, b) => a - b));
  }
  const podOf = new Array<number>(shards);
  owned.forEach((list, pod) => {
    for (const shard of list) podOf[shard] = pod;
  });
  return Object.freeze(podOf);
}
