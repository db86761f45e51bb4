import { parseTopology } from '../../link/handshake.ts';
import { PATH } from '../../protocol/paths.ts';
import type { TopologyRecord } from '../../routing/topology.ts';
import type { Duration } from '../../time.ts';
import type { Upstream } from './upstream.ts';

/**
 * Asks a gateway pod under which topologies guilds may be, from the one in force to the newest.
 * @returns null if the pod does not say so: it does not serve yet, or is of an earlier version
 * @throws DispatchError if it does not respond; GuildwayError LINK_PROTOCOL if one is malformed
 */
export async function askTopologies(
  upstream: Pick<Upstream, 'fetch'>,
  timeoutMs: Duration,
): Promise<readonly [TopologyRecord, ...TopologyRecord[]] | null> {
  const request = { method: 'GET', target: PATH.state, headers: [], body: Buffer.alloc(0) };
  const { status, body } = await upstream.fetch(request, timeoutMs);
  if (status !== 200) return null;
  let state: { readonly moving?: { readonly topologies?: unknown } } | null;
  try {
    state = JSON.parse(body.toString('utf8')) as typeof state;
  } catch {
    return null;
  }
  const topologies = state?.moving?.topologies;
  if (!Array.isArray(topologies)) return null;
  const [first, ...rest] = topologies.map((value) => parseTopology(value, "one of a pod's topologies"));
  return first === undefined ? null : [first, ...rest];
}
