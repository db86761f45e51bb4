import { GuildwayError } from '../../errors.ts';
import { LinkClient, type LinkClientOptions } from '../../link/client.ts';
import { PATH } from '../../protocol/paths.ts';
import { type PodTopology, parsePodTopology } from './pod-topology.ts';

/**
 * Exchanges topologies with another gateway pod over a link of its own. The handshake proves to both pods that the other holds
 * LINK_SECRET and is the pod that was dialled. Takes at most CONNECT_TIMEOUT_MS.
 * @throws GuildwayError if the pod cannot be reached, fails the handshake, or does not know this request
 */
export async function askPeer(options: LinkClientOptions, own: PodTopology): Promise<PodTopology> {
  const link = new LinkClient(options);
  try {
    const { status, body } = await link.request(
      {
        method: 'POST',
        target: PATH.topology,
        headers: ['content-type', 'application/json'],
        body: Buffer.from(JSON.stringify(own)),
      },
      options.connectTimeoutMs,
    );
    if (status !== 200) throw new GuildwayError('LINK_PROTOCOL', `it answered ${PATH.topology} with ${status}`);
    const said = parsePodTopology(body);
    if (said.ordinal !== options.ordinal)
      throw new GuildwayError('LINK_PROTOCOL', `it says that it is gateway-${said.ordinal}`);
    return said;
  } finally {
    link.close();
  }
}
