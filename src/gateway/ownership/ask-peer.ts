import { GuildwayError } from '../../errors.ts';
import { LinkClient, type LinkClientOptions } from '../../link/client.ts';
import { PATH } from '../../protocol/paths.ts';
import { type PodTopology, parsePodTopology } from './pod-topology.ts';

/**
 * Tells another gateway pod about this one and asks it the same, over a link of its own: the handshake proves to both that the other
 * holds LINK_SECRET and is the pod that was dialled. Takes CONNECT_TIMEOUT_MS at most.
 * @throws GuildwayError when the pod cannot be reached, proves nothing, or does not know the question
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
