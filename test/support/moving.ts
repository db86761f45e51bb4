import type { GuildMove, GuildMoveState } from '../../src/gateway/store/moving/moves.ts';
import type { Store, StoreOptions } from '../../src/gateway/store/store.ts';
import { createTopology } from '../../src/routing/topology.ts';
import { openTestStore } from './store.ts';

const topology = createTopology({ strategy: 'md5', pods: 4 });

/** A store of one of four pods. */
export const openPod = (
  path: string,
  ordinal: number,
  bot: StoreOptions['bot'],
  overrides: Partial<StoreOptions> = {},
): Store & Disposable => openTestStore(path, { bot, topology, ordinal, ...overrides });

/** Records of guilds that move between this pod and pod 1, by the first move of each. */
export const records = (state: GuildMoveState, guildIds: readonly string[], version = 1): GuildMove[] =>
  guildIds.map((guildId) => ({ guildId, state, peer: 1, version, epoch: 2 }));

/** All three steps. */
export function move(from: Store, to: Store, guildIds: readonly string[]): ReturnType<Store['mover']['importGuilds']> {
  const chunks = [...from.mover.exportGuilds(guildIds)];
  const imported = to.mover.importGuilds(chunks, records('arriving', guildIds));
  from.mover.removeGuilds(chunks, records('moved', guildIds));
  return imported;
}
