import type { Duplex } from 'node:stream';
import { endSocket } from '../../end-socket.ts';
import type { DispatchError } from '../../errors.ts';
import { type GatewayResponse, HEADER, type HeaderList, headerValue } from '../../link/message.ts';
import type { ThrottledLog } from '../../observability/throttled-log.ts';
import { responseHead } from '../inbound/fast-path/response-head.ts';
import { responseHeaders } from '../inbound/headers.ts';
import type { ResponseFlow, ResponseHandler, Upgraded } from '../outbound/dispatcher.ts';
import type { ForwardedRequest } from '../outbound/forwarded-request.ts';
import { openTunnel, type Tunnel } from '../outbound/tunnel.ts';

export interface UpgradeResponseOptions {
  /** The client's. */
  readonly socket: Duplex;
  /** The bytes that the client sent after its request. */
  readonly head: Buffer;
  readonly forwarded: ForwardedRequest;
  /** This pod's name. */
  readonly httpPod: string;
  readonly requestId: string;
  readonly log: ThrottledLog;
  /** Sends the client this pod's own response. */
  readonly refuse: (status: number) => void;
  /** The websocket is open. It ends with {@link socket}. */
  readonly onTunnel: (tunnel: Tunnel) => void;
  /** Called when the connection has ended. */
  readonly onDone: (pod: number, status: number) => void;
}

/** Sends a client the owner's response to its upgrade request. After a switch of protocols, forwards bytes both ways. */
export class UpgradeResponse implements ResponseHandler {
  readonly #options: UpgradeResponseOptions;
  #begun = false;

  constructor(options: UpgradeResponseOptions) {
    this.#options = options;
  }

  onUpgrade({ status, headers, socket, head }: Upgraded): void {
    this.#begin(status, headers, ['connection', 'upgrade', 'upgrade', headerValue(headers, 'upgrade') ?? '']);
    this.#options.onTunnel(openTunnel(this.#options.socket, this.#options.head, socket, head));
  }

  /** Any other response. */
  onHead(status: number, headers: HeaderList, flow: ResponseFlow): void {
    // Without a length, the end of the connection is the end of the body.
    this.#begin(status, headers, ['connection', 'close']);
    this.#options.socket.on('drain', () => flow.resume());
  }

  onBody(chunk: Buffer): boolean {
    return this.#options.socket.write(chunk);
  }

  onEnd(): void {
    endSocket(this.#options.socket);
  }

  onResponse({ status, headers, body }: GatewayResponse): void {
    this.#begin(status, headers, ['connection', 'close']);
    this.#options.socket.write(body);
    this.onEnd();
  }

  onError(error: DispatchError): void {
    const { socket, requestId, log, refuse } = this.#options;
    if (this.#begun) {
      socket.destroy();
      return;
    }
    log.warn({ request: requestId, err: error }, 'an upgrade failed');
    refuse(error.code === 'REQUEST_INVALID' ? 400 : error.code === 'TOPOLOGY_MISMATCH' ? 502 : 503);
  }

  #begin(status: number, headers: HeaderList, connection: HeaderList): void {
    const { socket, forwarded, httpPod, requestId, onDone } = this.#options;
    const { pod } = forwarded;
    const own = [HEADER.pod, String(pod), HEADER.httpPod, httpPod, HEADER.requestId, requestId];
    this.#begun = true;
    socket.write(`${responseHead(status, [...responseHeaders(headers), ...own, ...connection])}\r\n`, 'latin1');
    if (socket.closed) onDone(pod, status);
    else socket.once('close', () => onDone(pod, status));
  }
}
