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
 * Whether a request asks for a websocket (RFC 6455, 4.1): a GET without a body. A server may ignore any other `Upgrade`, such as
 * curl's h2c, and handle the request as usual.
 */
export function isWebSocketUpgrade({ method, httpVersion, headers }: IncomingMessage): boolean {
  const protocols = headers.upgrade?.toLowerCase().split(',') ?? [];
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0;
  return method === 'GET' && httpVersion === '1.1' && !hasBody && protocols.some((name) => name.trim() === 'websocket');
}

/** Connects the websockets of clients with the owners of their guilds. */
export class Upgrades {
  readonly #options: UpgradesOptions;
  readonly #tunnels = new Set<Tunnel>();
  #draining = false;

  constructor(options: UpgradesOptions) {
    this.#options = options;
  }

  /** Rejects new websockets and tells every client to reconnect to another pod. */
  drain(): void {
    this.#draining = true;
    for (const tunnel of this.#tunnels) tunnel.drain();
  }

  /**
   * @param socket the client's socket, which this object owns from now on
   * @param head the bytes that the client sent after its request
   */
  take(request: IncomingMessage, socket: Duplex, head: Buffer, requestId: string): void {
    const startedAt = monotonicNow();
    // Node removes its listeners from an upgraded socket, and an 'error' event without a listener ends the process.
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
      // A websocket cannot go to all pods, and the request has no body that could name a guild.
      refuse(classified.kind === 'refuse' ? classified.status : 404);
      return;
    }
    const deadlineAt = after(startedAt, requestTimeoutMs);
    const forwarded = new ForwardedRequest(owners.ownerOf(classified.guildId).ordinal, {
      ...{ method: 'GET', target: url, body: Buffer.alloc(0), upload: null, transport: 'upgrade', whole: false },
      headers: headersFor({ fields, address: request.socket.remoteAddress ?? '', id: requestId }),
      ...{ deadlineAt, attemptsUntil: deadlineAt, anyPod: false },
      // No byte of the new protocol has passed yet, so the request can be retried like any GET.
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
