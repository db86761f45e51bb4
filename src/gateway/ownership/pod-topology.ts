import { GuildwayError } from '../../errors.ts';
import { parseTopology } from '../../link/handshake.ts';
import type { Chain } from '../../moving/state.ts';
import { isCount, isJsonObject } from '../../protocol/json-values.ts';
import type { TopologyRecord } from '../../routing/topology.ts';
import type { PlacementState } from '../store/placement.ts';

/** What a gateway pod tells the others about the topology it was given and the rows it has. */
export interface PodTopology {
  readonly ordinal: number;
  /** From its environment. */
  readonly given: TopologyRecord;
  /** From its database; null when that has no rows and no claim. */
  readonly placement: {
    /** The topology in force, and newer ones whose guilds are still moving. */
    readonly chain: Chain;
    readonly state: PlacementState;
  } | null;
}

/** @throws GuildwayError LINK_PROTOCOL */
export function parsePodTopology(bytes: Buffer): PodTopology {
  const malformed = (what: string): GuildwayError =>
    new GuildwayError('LINK_PROTOCOL', `a pod's topology is malformed: ${what}`);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw malformed('it is not JSON');
  }
  if (!isJsonObject(value)) throw malformed('it is not an object');
  const { ordinal, given, placement } = value;
  if (!isCount(ordinal)) throw malformed('its ordinal');
  return {
    ordinal,
    given: parseTopology(given, "a pod's given topology"),
    placement: placement === null ? null : parsePlacement(placement, malformed),
  };
}

function parsePlacement(value: unknown, malformed: (what: string) => GuildwayError): PodTopology['placement'] {
  if (!isJsonObject(value)) throw malformed('its placement');
  const { state, chain } = value;
  if (state !== 'claimed' && state !== 'placed') throw malformed('the state of its placement');
  if (!Array.isArray(chain) || chain.length === 0) throw malformed('the topologies of its placement');
  return { state, chain: chain.map((known) => parseTopology(known, "a topology of a pod's rows")) as unknown as Chain };
}
