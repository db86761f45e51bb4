import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { endSocket } from '../../end-socket.ts';
import { HEADER } from '../../link/message.ts';
import type { ThrottledLog } from '../../observability/throttled-log.ts';
import type { RouteTable } from '../../routing/route-table.ts';
import { after, type Duration, elapsed, monotonicNow } from '../../time.ts';
import { responseHead } from '../inbound/fast-path/response-head.ts';
import type { RequestHeaders } from '../inbound/headers.ts';
import { headOf } from '../inbound/node-request.ts';
import { type HttpMetrics, outcomeOf } from '../metrics/http-metrics.ts';
import { ForwardedRequest } from '../outbound/forwarded-request.ts';
import type { OwnerClient } from '../outbound/owner-client.ts';
import type { Tunnel } from '../outbound/tunnel.ts';
import { classify } from './classify.ts';
import { UpgradeResponse } from './upgrade-response.ts';

export interface UpgradesOptions {
  readonly routes: RouteTable;
  readonly owners: OwnerClient;
  readonly headersFor: RequestHeaders;
  readonly requestTimeoutMs: Duration;
  /** This pod's name. */
  readonly httpPod: string;
  readonly metrics: HttpMetrics;
  readonly log: ThrottledLog;
}

/**
 * Whether a request asks for a websocket (RFC 6455, 4.1): with GET and without a body. Any other `Upgrade` is an offer that a server
 * may ignore, such as curl's h2c, and its request is one like any other.
 */
export function isWebSocketUpgrade({ method, httpVersion, headers }: IncomingMessage): boolean {
  const protocols = headers.upgrade?.toLowerCase().split(',') ?? [];
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0;
  return method === 'GET' && httpVersion === '1.1' && !hasBody && protocols.some((name) => name.trim() === 'websocket');
}

/** Joins clients that ask for a websocket with the owners of their guilds. */
export class Upgrades {
  readonly #options: UpgradesOptions;
  readonly #tunnels = new Set<Tunnel>();
  #draining = false;

  constructor(options: UpgradesOptions) {
    this.#options = options;
  }

  /** Takes no more, and tells every client to connect again, to another pod. */
  drain(): void {
    this.#draining = true;
    for (const tunnel of this.#tunnels) tunnel.drain();
  }

  /**
   * @param socket the client's. It belongs to this object from now on
   * @param head what the client has sent after its request
   */
  take(request: IncomingMessage, socket: Duplex, head: Buffer, requestId: string): void {
    const startedAt = monotonicNow();
    // Node leaves an upgraded socket to its listener, and an 'error' without one would end the process.
    socket.on('error', () => socket.destroy());
    const { routes, owners, headersFor, requestTimeoutMs, httpPod, metrics, log } = this.#options;
    const onDone = (pod: number | null, status: number): void =>
      metrics.request('upgrade', pod, outcomeOf(status), elapsed(startedAt) / 1_000);
    const refuse = (status: number): void => {
      const own = ['connection', 'close', 'content-length', '0', HEADER.requestId, requestId];
      if (status === 503) own.push('retry-after', '1');
      endSocket(socket, `${responseHead(status, own)}\r\n`);
      onDone(null, status);
    };
    if (this.#draining) {
      refuse(503);
      return;
    }
    const { url, fields, ...rest } = headOf(request);
    const classified = classify({ url, fields, ...rest }, routes, 0);
    if (classified.kind !== 'route') {
      // No single pod can answer a question to all pods, and there is no body that could name a guild.
      refuse(classified.kind === 'refuse' ? classified.status : 404);
      return;
    }
    const deadlineAt = after(startedAt, requestTimeoutMs);
    const forwarded = new ForwardedRequest(owners.ownerOf(classified.guildId).ordinal, {
      ...{ method: 'GET', target: url, body: Buffer.alloc(0), upload: null, transport: 'upgrade', whole: false },
      headers: headersFor({ fields, address: request.socket.remoteAddress ?? '', id: requestId }),
      ...{ deadlineAt, attemptsUntil: deadlineAt, anyPod: false },
      // Nothing of the new protocol has passed yet, so it may be tried again like any GET.
      repeatable: 'always',
    });
    socket.once('close', () => forwarded.cancel());
    const onTunnel = (tunnel: Tunnel): void => this.#add(tunnel, socket);
    const response = new UpgradeResponse({
      socket,
      head,
      forwarded,
      httpPod,
      requestId,
      log,
      refuse,
      onTunnel,
      onDone,
    });
    owners.dispatch(forwarded, response);
  }

  #add(tunnel: Tunnel, socket: Duplex): void {
    if (this.#draining) tunnel.drain();
    this.#tunnels.add(tunnel);
    socket.once('close', () => this.#tunnels.delete(tunnel));
  }
}
