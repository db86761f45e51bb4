import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { HEADER, type HeaderList, headerValue } from '../../link/message.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import type { Logger } from '../../observability/log.ts';
import { inMs } from '../../time.ts';
import type { BotWeb } from '../beside/bot-web.ts';
import { problem } from '../dispatch/responses.ts';
import type { Router } from '../serve/router.ts';
import { refuseUpgrade } from './refuse.ts';
import type { WebSockets } from './websockets.ts';

/** Handles upgrades from pods that have proved their identity. */
export interface Upgrades {
  take(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Takes no more upgrades, and tells every client to reconnect. */
  drain(): void;
  /** Ends every connection at once. */
  close(): void;
}

interface UpgradesOptions {
  readonly ordinal: number;
  readonly router: Router;
  /** Null: the bot has no websockets. */
  readonly websockets: WebSockets | null;
  /** The web server of a bot beside this pod, which takes all upgrades. Null: there is none. */
  readonly web: BotWeb | null;
  /** For a request without a deadline. */
  readonly timeoutMs: number;
  readonly log: Logger;
}

/** Routes upgrades in a gateway pod: checks the owner, then asks the bot. */
export function createUpgrades({ ordinal, router, websockets, web, timeoutMs, log }: UpgradesOptions): Upgrades {
  const pod = [HEADER.pod, String(ordinal)];
  return {
    take(request, socket, head) {
      const headers = fieldsOf(request.rawHeaders);
      const target = request.url ?? '/';
      const admitted =
        (websockets ?? web) === null || request.headers.upgrade?.toLowerCase() !== 'websocket'
          ? problem(404, 'this bot has no websockets')
          : router.admitUpgrade(target, headers);
      if (!('status' in admitted) && web !== null) {
        web.upgrade(request, socket, head, admitted.target, pod);
        return;
      }
      if (websockets === null || 'status' in admitted) {
        const { status, headers: own, body } = admitted as ReturnType<typeof problem>;
        refuseUpgrade(socket, { status, headers: [...own, ...pod], body });
        return;
      }
      const given = headerValue(headers, HEADER.deadlineMs);
      const waitMs = given !== undefined && /^\d{1,9}$/.test(given) ? Number(given) : timeoutMs;
      const deadlineAt = inMs(waitMs);
      const requestId = router.requestIdOf(headers);
      websockets
        .upgrade(request, socket, head, { ...admitted, headers, requestId, deadlineAt })
        .catch((error: unknown) => {
          log.error({ request: requestId, err: errorFacts(error) }, 'an upgrade failed');
          socket.destroy();
        });
    },
    drain: () => websockets?.drain(),
    close: () => websockets?.close(),
  };
}

const fieldsOf = (raw: readonly string[]): HeaderList =>
  raw.map((part, i) => (i % 2 === 0 ? part.toLowerCase() : part));
