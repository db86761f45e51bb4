import { GuildOwnership } from '../../src/gateway/moving/guild-ownership.ts';
import { initialState } from '../../src/moving/state.ts';
import type { Topology } from '../../src/routing/topology.ts';

/** A pod that has placed its rows under a topology and moved nothing. Its steps are not on disk. */
export const ownershipOf = (ordinal: number, topology: Topology): GuildOwnership =>
  new GuildOwnership({ state: initialState(ordinal, topology.toRecord()), write: () => {} });
