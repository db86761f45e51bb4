import { randomUUID } from 'node:crypto';
import { type GatewayResponse, HEADER } from '../../link/message.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import type { Logger } from '../../observability/log.ts';
import { PATH } from '../../protocol/paths.ts';
import type { Reply } from '../dispatch/reply.ts';
import { held, json, notServing, problem } from '../dispatch/responses.ts';
import type { Reply as MoveReply } from '../moving/envelope.ts';
import type { Agreement } from '../ownership/agreement.ts';
import { refuseUpgrade } from '../websocket/refuse.ts';
import type { Upgrades } from '../websocket/upgrades.ts';
import type { Incoming } from './incoming.ts';
import { serveTopology } from './internal-endpoints.ts';

export interface HeldOptions {
  readonly ordinal: number;
  readonly name: string;
  readonly agreement: Agreement;
  /** The pod is still starting. Clients are told to retry, as during a shutdown. */
  readonly starting: () => boolean;
  /** Why this pod serves nothing: one sentence or more. */
  readonly reasons: () => readonly string[];
  readonly log: Logger;
}

/**
 * Routes of a pod that must not serve guilds, because its rows were placed under another topology, or rows of its guilds may be
 * on another pod. It reads and writes no rows. It answers other pods that ask for its topology. Every other request gets the
 * reason.
 */
export function heldRoute(options: HeldOptions): (incoming: Incoming) => Promise<Reply> {
  const { ordinal, name, agreement, reasons, log } = options;
  const nothing = answerOf(options);
  const headers = [HEADER.pod, String(ordinal)];
  return async (incoming) => {
    const { method, target } = incoming;
    try {
      if (target === PATH.topology && method === 'POST') return await serveTopology(agreement, incoming);
      if (target === PATH.state && method === 'GET') {
        const topology = agreement.own.given;
        return json(200, { pod: ordinal, name, ready: false, reasons: reasons(), topology }, headers);
      }
      if (target === PATH.moves && method === 'POST' && agreement.own.placement?.state !== 'placed') return EMPTY;
      return nothing();
    } catch (error) {
      log.error({ err: errorFacts(error) }, 'request failed');
      return problem(500, 'something went wrong', headers);
    }
  };
}

/** The answer to messages about moving guilds: this pod has no rows, and knows no guild. */
const EMPTY: GatewayResponse = json(200, {
  process: randomUUID(),
  messages: [],
  refused: null,
  isEmpty: true,
} satisfies MoveReply);

/** The response to a request for a guild. */
function answerOf({ ordinal, starting, reasons }: Pick<HeldOptions, 'ordinal' | 'starting' | 'reasons'>) {
  const headers = [HEADER.pod, String(ordinal)];
  return (): GatewayResponse => {
    const why = reasons().join('; ');
    return starting() ? notServing(why) : held(why, headers);
  };
}

/** {@link heldRoute} for upgrades. */
export function heldUpgrades(options: Pick<HeldOptions, 'ordinal' | 'starting' | 'reasons'>): Upgrades {
  const nothing = answerOf(options);
  return {
    take: (_request, socket) => refuseUpgrade(socket, nothing()),
    drain() {},
    close() {},
  };
}
