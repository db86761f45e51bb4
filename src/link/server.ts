import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import type { BotManifest } from '../bot/types.ts';
import { endSocket } from '../end-socket.ts';
import type { TopologyRecord } from '../routing/topology.ts';
import type { Duration } from '../time.ts';
import { isNonce, LINK_HEADER, LINK_PATH, LINK_PROTOCOL, LINK_VERSION, newNonce, proof, single } from './handshake.ts';
import type { GatewayHandler } from './message.ts';
import { ServerSession } from './server-session.ts';

export interface LinkServerOptions {
  readonly ordinal: number;
  readonly secret: string;
  /** The newest topology that this pod knows. */
  readonly topology: () => TopologyRecord;
  readonly manifest: BotManifest;
  readonly handler: GatewayHandler;
  readonly heartbeatMs: Duration;
  /** The time limit for a client's proof. */
  readonly helloTimeoutMs: Duration;
  /** The maximum number of requests in flight on a connection. Further requests are refused without being processed. */
  readonly maxInFlight: number;
  readonly log: Logger;
  /** Handles other upgrades. Without it they are refused. */
  readonly onOtherUpgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

export interface LinkServer {
  readonly connections: number;
  readonly inFlight: number;
  /** Refuses new requests. Resolves when all requests in flight have responses and all connections have ended. */
  drain(): Promise<void>;
  /** Ends all connections immediately. */
  close(): void;
}

/** Serves the link on an HTTP server's port, beside plain requests. */
export function attachLinkServer(server: Server, options: LinkServerOptions): LinkServer {
  const sessions = new Set<ServerSession>();
  let draining: Promise<void> | null = null;
  let drained = (): void => {};

  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // An HTTP server removes its listeners from an upgraded socket, and an 'error' event without a listener ends the process.
    socket.on('error', () => socket.destroy());
    if (request.url !== LINK_PATH || request.headers.upgrade !== LINK_PROTOCOL) {
      if (options.onOtherUpgrade !== undefined) options.onOtherUpgrade(request, socket, head);
      else refuse(socket, '404 Not Found', null);
      return;
    }
    const { ordinal, secret, log } = options;
    const nonce = single(request.headers, LINK_HEADER.nonce);
    const dialled = single(request.headers, LINK_HEADER.ordinal);
    const version = single(request.headers, LINK_HEADER.version);
    if (version !== String(LINK_VERSION)) {
      refuse(
        socket,
        '426 Upgrade Required',
        `it speaks version ${LINK_VERSION} of the link, not ${version?.slice(0, 10)}`,
      );
    } else if (dialled !== String(ordinal)) {
      log.warn({ dialled: dialled?.slice(0, 10), ordinal }, 'link: a client dialled another pod');
      refuse(socket, '421 Misdirected Request', `it is pod ${ordinal}`);
    } else if (!isNonce(nonce)) {
      refuse(socket, '400 Bad Request', 'the nonce is malformed');
    } else if (draining !== null) {
      refuse(socket, '503 Service Unavailable', 'it is shutting down');
    } else {
      accept(socket, head, nonce, newNonce(), secret);
    }
  });

  function accept(socket: Duplex, head: Buffer, clientNonce: string, serverNonce: string, secret: string): void {
    const { ordinal, manifest, heartbeatMs } = options;
    const topology = options.topology();
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${LINK_PROTOCOL}\r\n` +
        `${LINK_HEADER.nonce}: ${serverNonce}\r\n` +
        `${LINK_HEADER.proof}: ${proof(secret, 'server', ordinal, clientNonce, serverNonce)}\r\n\r\n`,
    );
    const session: ServerSession = new ServerSession({
      ...options,
      socket,
      head,
      topology,
      expectedProof: proof(secret, 'client', ordinal, clientNonce, serverNonce),
      hello: { ordinal, topology, manifest, heartbeatMs },
      onClose: () => {
        sessions.delete(session);
        if (sessions.size === 0) drained();
      },
    });
    sessions.add(session);
  }

  return {
    get connections() {
      return sessions.size;
    },
    get inFlight() {
      let sum = 0;
      for (const session of sessions) sum += session.inFlight;
      return sum;
    },
    drain() {
      draining ??= new Promise((resolve) => {
        drained = resolve;
        if (sessions.size === 0) resolve();
        for (const session of sessions) session.drain();
      });
      return draining;
    },
    close() {
      for (const session of sessions) session.destroy();
    },
  };
}

function refuse(socket: Duplex, status: string, refusal: string | null): void {
  const why = refusal === null ? '' : `${LINK_HEADER.refusal}: ${refusal}\r\n`;
  endSocket(socket, `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n${why}\r\n`);
}
