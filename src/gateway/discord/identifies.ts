import type { GatewayRequest, GatewayResponse, RequestContext } from '../../link/message.ts';
import { GUILDLESS_POD } from '../../routing/topology.ts';
import type { DiscordSessionsOptions } from '../discord-seam.ts';
import { problem } from '../dispatch/responses.ts';
import { IdentifyClient } from './identify-client.ts';
import { serveIdentify } from './identify-endpoint.ts';
import { IdentifyGate, type IdentifyGateOptions } from './identify-gate.ts';
import { handbackMs } from './identify-slots.ts';
import type { Peers } from './peers.ts';
import type { SessionTiming } from './timing.ts';

/** The source of identify slots for this pod's shards. */
export interface Identifies {
  /** Resolves when the shard may identify. */
  acquire(shard: number, signal: AbortSignal): Promise<void>;
  /** `POST /_guildway/identify`. */
  serve(request: GatewayRequest, context: RequestContext, stopping: AbortSignal): Promise<GatewayResponse>;
}

export interface IdentifiesOptions extends Pick<DiscordSessionsOptions, 'config' | 'pods' | 'log'> {
  readonly ordinal: number;
  readonly peers: Peers;
  readonly timing: Pick<SessionTiming, 'podZeroAbsentMs'>;
  readonly fetchLimit: IdentifyGateOptions['fetchLimit'];
}

/** Pod 0 grants slots for all pods. The others ask it. */
export function createIdentifies(options: IdentifiesOptions): Identifies {
  const { config, pods, ordinal, peers, timing, fetchLimit, log } = options;
  const intervalMs = config.identifyIntervalMs;
  if (ordinal === GUILDLESS_POD) {
    // With a single pod, no other pod can have identified.
    const closedMs = pods > 1 ? handbackMs({ intervalMs }) : 0;
    const gate = new IdentifyGate({ fetchLimit, intervalMs, closedMs, log });
    return {
      acquire: (shard, signal) => gate.acquire(shard, signal),
      serve: (request, context, stopping) => serveIdentify(gate, request, context, stopping),
    };
  }
  const absentMs = timing.podZeroAbsentMs;
  const client = new IdentifyClient({ ordinal, pods, intervalMs, peers, fetchLimit, absentMs, log });
  return {
    acquire: (shard, signal) => client.acquire(shard, signal),
    serve: async () => problem(421, `identify slots are handed out by pod ${GUILDLESS_POD}`),
  };
}
