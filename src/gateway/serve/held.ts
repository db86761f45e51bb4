import { HEADER } from '../../link/message.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import type { Logger } from '../../observability/log.ts';
import { PATH } from '../../protocol/paths.ts';
import type { Reply } from '../dispatch/reply.ts';
import { held, json, problem } from '../dispatch/responses.ts';
import type { Agreement } from '../ownership/agreement.ts';
import { refuseUpgrade } from '../websocket/refuse.ts';
import type { Upgrades } from '../websocket/upgrades.ts';
import type { Incoming } from './incoming.ts';
import { serveTopology } from './internal-endpoints.ts';

export interface HeldOptions {
  readonly ordinal: number;
  readonly name: string;
  readonly agreement: Agreement;
  /** Why this pod serves nothing, in sentences; at least one. */
  readonly reasons: () => readonly string[];
  readonly log: Logger;
}

/**
 * The routes of a pod that must not serve its guilds: its rows were placed under another topology, or those of its guilds may be
 * elsewhere. It reads and writes no row. It answers the other pods' question about its topology, and tells everybody else why it
 * does nothing.
 */
export function heldRoute(options: HeldOptions): (incoming: Incoming) => Promise<Reply> {
  const { ordinal, name, agreement, reasons, log } = options;
  const headers = [HEADER.pod, String(ordinal)];
  return async (incoming) => {
    const { method, target } = incoming;
    try {
      if (target === PATH.topology && method === 'POST') return await serveTopology(agreement, incoming);
      if (target === PATH.state && method === 'GET') {
        const topology = agreement.own.given;
        return json(200, { pod: ordinal, name, ready: false, reasons: reasons(), topology }, headers);
      }
      return held(reasons().join('; '), headers);
    } catch (error) {
      log.error({ err: errorFacts(error) }, 'request failed');
      return problem(500, 'something went wrong', headers);
    }
  };
}

/** {@link heldRoute} for upgrades. */
export function heldUpgrades({ ordinal, reasons }: Pick<HeldOptions, 'ordinal' | 'reasons'>): Upgrades {
  const headers = [HEADER.pod, String(ordinal)];
  return {
    take: (_request, socket) => refuseUpgrade(socket, held(reasons().join('; '), headers)),
    drain() {},
    close() {},
  };
}
