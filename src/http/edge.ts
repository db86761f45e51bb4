import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { HttpConfig } from '../config/load.ts';
import { createServer } from '../node-http.ts';
import type { Logger } from '../observability/log.ts';
import { monotonicNow, wallNow } from '../time.ts';
import type { Endpoints } from './endpoints/endpoints.ts';
import { isWebSocketUpgrade, type Upgrades } from './endpoints/upgrades.ts';
import type { BodyReader } from './inbound/body.ts';
import { FastPath } from './inbound/fast-path/fast-path.ts';
import { NodeRequest, type NodeRequestOptions } from './inbound/node-request.ts';
import { Turns } from './inbound/pipeline-turns.ts';
import type { ClientOf } from './inbound/proxies.ts';
import { UnreadResponses } from './inbound/unread-responses.ts';

export interface EdgeOptions {
  readonly config: Pick<
    HttpConfig,
    'linkSecret' | 'maxConnections' | 'maxBodyBytes' | 'headersTimeoutMs' | 'bodyTimeoutMs' | 'keepAliveMs'
  >;
  readonly endpoints: Endpoints;
  readonly upgrades: Upgrades;
  readonly bodies: BodyReader;
  readonly clientOf: ClientOf;
  readonly log: Logger;
}

/** The size limit of a request's head, which is Node's default. */
const MAX_HEADER_BYTES = 16 * 1024;

/** How long a connection may take for the rest of a head when idle connections are closed: a part may be on its way. */
const HALF_HEAD_DRAIN_MS = 1_000;

/** The public side: accepts connections and passes every request to its endpoint. */
export class Edge {
  readonly server: Server;
  readonly #endpoints: Endpoints;
  readonly #upgrades: Upgrades;
  readonly #nodeRequests: NodeRequestOptions;
  /** Null if every request goes through Node's server. */
  readonly #fastPath: FastPath | null;
  readonly #idPrefix = `${wallNow().toString(36)}${Math.floor(Math.random() * 36 ** 4).toString(36)}-`;
  #lastId = 0;
  /** All connections. Node's server does not count those that have switched protocols. */
  readonly #sockets = new Set<Socket>();
  readonly #unread = new UnreadResponses();
  readonly #turns = new Turns((message, response) => this.#onRequest(message, response));
  #draining = false;

  constructor({ config, endpoints, upgrades, bodies, clientOf, log }: EdgeOptions) {
    this.#endpoints = endpoints;
    this.#upgrades = upgrades;
    this.#nodeRequests = { bodies, unread: this.#unread, clientOf, maxBodyBytes: config.maxBodyBytes };
    this.server = createServer({
      headersTimeout: config.headersTimeoutMs,
      requestTimeout: Math.max(config.bodyTimeoutMs, config.headersTimeoutMs),
      keepAliveTimeout: config.keepAliveMs,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: MAX_HEADER_BYTES,
      noDelay: true,
      // A request without a body has no stream life cycle, which saves a tenth of its cost.
      optimizeEmptyRequests: true,
      // Checked later with the other faults of a head. Node would respond at once, out of order.
      requireHostHeader: false,
      shouldUpgradeCallback: isWebSocketUpgrade,
    } as Parameters<typeof createServer>[0] & object);
    this.server.maxConnections = config.maxConnections;
    // Without links every request streams over plain HTTP, which the fast path does not serve.
    this.#fastPath =
      config.linkSecret === null
        ? null
        : FastPath.inFrontOf(this.server, {
            ...{ bodies, clientOf, unread: this.#unread, maxHeaderBytes: MAX_HEADER_BYTES },
            ...{ keepAliveMs: config.keepAliveMs, firstRequestMs: config.headersTimeoutMs },
            newRequestId: () => this.#newRequestId(),
            serve: (request) => endpoints.serveWhole(request),
          });
    if (this.#fastPath === null && config.linkSecret !== null) {
      log.warn('this version of Node has another HTTP parser: no request takes the fast path');
    }
    this.server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) =>
      this.#turns.refuseBytes(error, socket),
    );
    for (const event of ['request', 'checkContinue', 'checkExpectation'] as const) {
      this.server.on(event, (message, response) => this.#turns.take(message, response));
    }
    this.server.on('upgrade', (message, socket, head) => {
      // If an earlier request has no response yet, the bytes of the upgrade would mix with that response.
      if (!this.#turns.endBehindRequests(message.socket)) upgrades.take(message, socket, head, this.#newRequestId());
    });
  }

  /** From now on every response closes its connection, so that clients move to other pods. Websockets are told to reconnect. */
  drain(): void {
    this.#draining = true;
    this.#endpoints.drain();
    this.#fastPath?.drain();
    this.#upgrades.drain();
  }

  /**
   * Ends idle connections, including those that never had a request: browsers and load balancers open some in advance. From now on,
   * connections with half a head have little time for the rest.
   */
  closeIdleConnections(): void {
    this.server.headersTimeout = Math.min(this.server.headersTimeout, HALF_HEAD_DRAIN_MS);
    this.#fastPath?.closeIdleConnections();
    this.server.closeIdleConnections();
    for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy();
  }

  /** Ends every connection at once. */
  closeConnections(): void {
    this.#unread.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #newRequestId(): string {
    return this.#idPrefix + (++this.#lastId).toString(36);
  }

  #onRequest(message: IncomingMessage, response: ServerResponse): void {
    const request = new NodeRequest(message, response, this.#newRequestId(), monotonicNow(), this.#nodeRequests);
    // After an ignored upgrade, Node's parser loses bytes. After a faulty head, nothing can be trusted.
    if (this.#draining || message.headers.upgrade !== undefined || request.fault !== null) {
      response.shouldKeepAlive = false;
    }
    const classified = this.#endpoints.classify(request);
    // A client that sends `Expect` learns of the refusal before it sends the body.
    if (message.headers.expect !== undefined && classified.kind !== 'refuse') response.writeContinue();
    this.#endpoints.serve(request, classified);
  }
}
