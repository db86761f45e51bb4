import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { GatewayIntentBits } from 'discord-api-types/v10';
import type { SimulatedGuild } from '../world/guild.ts';
import { guildCreateJson } from '../world/guild-object.ts';
import type { World } from '../world/world.ts';
import type { GatewaySession } from './session.ts';

/** Guilds sent in one turn, and the backlog in bytes above which the rest waits. */
const BATCH = 200;
const MAX_BACKLOG = 4 * 1024 * 1024;

/** The data of a GUILD_CREATE for a session with these intents. */
export function guildCreateFor(world: World, guild: SimulatedGuild, intents: number): string {
  const presences = (intents & GatewayIntentBits.GuildPresences) === 0 ? null : world.presences;
  return guildCreateJson(guild, { botId: world.bot.id, presences });
}

/** Sends the first events of a session: READY with all guilds unavailable, then a GUILD_CREATE for each. */
export async function greet(session: GatewaySession, world: World, resumeUrl: string): Promise<void> {
  const { id, shard, numShards, intents } = session.facts;
  const guildIds = world.guildsOfShard(shard, numShards);
  session.dispatch(
    'READY',
    JSON.stringify({
      v: 10,
      user_settings: {},
      user: { ...world.bot, verified: true, mfa_enabled: true, email: null, flags: 0 },
      session_type: 'normal',
      session_id: id,
      resume_gateway_url: resumeUrl,
      relationships: [],
      private_channels: [],
      presences: [],
      guilds: guildIds.map((guildId) => ({ id: guildId, unavailable: true })),
      guild_join_requests: [],
      geo_ordered_rtc_regions: ['simulated'],
      auth: {},
      application: { id: world.bot.id, flags: 0 },
      shard: [shard, numShards],
      _trace: ['["gateway-simulator"]'],
    }),
  );
  if ((intents & GatewayIntentBits.Guilds) === 0) return;
  for (let index = 0; index < guildIds.length && !session.ended; index++) {
    const guild = world.peek(guildIds[index] as string);
    if (guild !== undefined) session.dispatch('GUILD_CREATE', guildCreateFor(world, guild, intents));
    if (index % BATCH !== BATCH - 1) continue;
    await nextTurn();
    while ((session.connection?.backlog ?? 0) > MAX_BACKLOG) await sleep(5, undefined, { ref: false });
  }
}
