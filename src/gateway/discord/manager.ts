import { type SessionInfo, WebSocketManager } from '@discordjs/ws';
import { GatewayIntentBits } from 'discord-api-types/v10';
import type { DiscordSessionsOptions } from '../discord-seam.ts';
import type { IdentifyTurns } from './identify-turns.ts';
import { shardCountOf } from './needed-shards.ts';
import type { Shard } from './shard.ts';
import type { SessionTiming } from './timing.ts';

export interface ManagerOptions extends Pick<DiscordSessionsOptions, 'config' | 'ownership' | 'rest' | 'bot'> {
  readonly timing: SessionTiming;
  readonly shard: (id: number) => Shard | undefined;
  readonly turns: () => IdentifyTurns;
  /** The library reports READY, each event, and (null) that it is about to start a new session. */
  readonly updateSession: (shard: number, session: SessionInfo | null) => void;
}

/** The library's settings. It asks the shards before it connects, resumes or identifies. */
export function createManager(options: ManagerOptions): WebSocketManager {
  const { config, ownership, rest, bot, timing, shard, turns, updateSession } = options;
  return new WebSocketManager({
    token: config.discordToken ?? '',
    rest,
    intents: GatewayIntentBits.Guilds | (bot.intents ?? 0),
    shardCount: shardCountOf(ownership.chain, config.discordShards),
    helloTimeout: timing.helloMs,
    readyTimeout: timing.readyMs,
    retrieveSessionInfo: (id) => shard(id)?.session() ?? null,
    updateSessionInfo: updateSession,
    // Shows the pod of a session on Discord's side, for example in the simulator's console.
    identifyProperties: { browser: 'guildway', device: `gateway-${ownership.ordinal}`, os: process.platform },
    buildIdentifyThrottler: () => ({
      waitForIdentify: async (id, signal) => {
        shard(id)?.identifying('waits for an identify slot');
        await turns().wait(id, signal);
        shard(id)?.identifying(null);
      },
    }),
  });
}
