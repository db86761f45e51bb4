import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Config } from '../config.ts';
import { errorCode, type GuildwayError } from '../errors.ts';
import { type GatewayRequest, HEADER, type HeaderList, INTERNAL_PATHS, MAX_LINK_BODY } from '../link/message.ts';
import type { Logger } from '../observability/log.ts';
import {
  type GuildOfRequest,
  guildOfRequest,
  isAmbiguousPath,
  type RouteMatch,
  type RouteTable,
} from '../routing/route-table.ts';
import { type BodyReader, declaredLength } from './body.ts';
import type { Exchange } from './forward/exchange.ts';
import { fanOut } from './forward/fan-out.ts';
import { forwardUpgrade, headBlock } from './forward/upgrade.ts';
import type { Upstream } from './forward/upstream.ts';
import { requestHeaders } from './headers.ts';
import { INTERACTIONS_PATH, type InteractionEndpoint } from './interactions/endpoint.ts';
import { type HttpMetrics, outcomeOf, type RouteKind } from './metrics.ts';
import { sendError, sendJson } from './reply.ts';
import { RoutedRequest, sendFailure } from './routed-request.ts';
import { EVENTS_PATH, isStripe, type WebhookEndpoints } from './webhooks/endpoint.ts';

export interface EdgeOptions {
  readonly config: Config;
  readonly routes: RouteTable;
  readonly exchange: Exchange;
  readonly bodies: BodyReader;
  readonly upstreams: readonly Upstream[];
  readonly interactions: InteractionEndpoint;
  readonly webhooks: WebhookEndpoints;
  readonly metrics: HttpMetrics;
  readonly log: Logger;
}

const EMPTY = Buffer.alloc(0);

/** A request that has come in, and when. */
interface Incoming {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  /** On the clock of `performance.now()`. */
  readonly startedAt: number;
}

/** The public side: takes every request, finds out whose it is, and has it answered there. */
export class Edge {
  readonly server: Server;
  readonly #options: EdgeOptions;
  readonly #idPrefix = `${Date.now().toString(36)}${Math.floor(Math.random() * 36 ** 4).toString(36)}-`;
  #lastId = 0;
  /** All of them, also those that speak another protocol now, which Node's server does not count as its own any more. */
  readonly #sockets = new Set<Socket>();
  #draining = false;

  constructor(options: EdgeOptions) {
    this.#options = options;
    const { config } = options;
    this.server = createServer({
      headersTimeout: config.headersTimeoutMs,
      requestTimeout: Math.max(config.bodyTimeoutMs, config.headersTimeoutMs),
      keepAliveTimeout: config.keepAliveMs,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 16 * 1024,
      noDelay: true,
      // A request without a body has no stream life cycle: a tenth of what it costs.
      optimizeEmptyRequests: true,
      // Any other protocol is an offer that a server may ignore, such as curl's h2c.
      shouldUpgradeCallback: (request: IncomingMessage) => request.headers.upgrade?.toLowerCase() === 'websocket',
    } as Parameters<typeof createServer>[0] & object);
    this.server.maxConnections = config.maxConnections;
    this.server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.server.on('request', (request, response) => this.#onRequest(request, response));
    this.server.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket, head));
  }

  /** From now on every response closes its connection, so that clients move to other pods. */
  drain(): void {
    this.#draining = true;
  }

  /** Ends connections on which no request is, also those that never brought one: browsers and balancers open some ahead. */
  closeIdleConnections(): void {
    this.server.closeIdleConnections();
    for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy();
  }

  /** Ends every connection at once, whatever it does. */
  closeConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const startedAt = performance.now();
    const requestId = this.#idPrefix + (++this.#lastId).toString(36);
    const incoming: Incoming = { request, response, requestId, startedAt };
    if (this.#draining) response.shouldKeepAlive = false;
    const url = request.url as string;
    const query = url.indexOf('?');
    const path = query === -1 ? url : url.slice(0, query);
    const { routes, webhooks } = this.#options;

    if (path === INTERACTIONS_PATH || path === EVENTS_PATH) {
      this.#onDiscord(incoming, path);
      return;
    }
    if (!path.startsWith('/') || path.startsWith(INTERNAL_PATHS)) {
      this.#refuse(incoming, 'other', 404, 'not found');
      return;
    }
    if (isAmbiguousPath(path)) {
      this.#refuse(incoming, 'other', 400, 'the path has dot segments or backslashes');
      return;
    }
    const match = routes.match(path);
    if (match !== null && isStripe(path) && request.method === 'POST') {
      this.#settle(incoming, 'stripe', webhooks.stripe(request, response, match, requestId));
      return;
    }
    if (match !== null && match.rule.guild.from === 'json') {
      this.#readBody(incoming, 'guild', (body) => this.#routeByBody(incoming, match, body));
      return;
    }
    const guild = guildIn(match, request, url, query);
    const length = declaredLength(request);
    const uploads = length === null || length > MAX_LINK_BODY;
    const streams = uploads || match?.rule.stream === true || wantsEvents(request);
    const { maxBodyBytes } = this.#options.config;
    if (guild.kind === 'invalid') {
      this.#refuse(incoming, 'guild', 400, `${JSON.stringify(guild.value)} is not a guild id`);
    } else if (guild.kind === 'all') {
      this.#settle(incoming, 'fan-out', this.#fanOut(incoming));
    } else if (length !== null && length > maxBodyBytes) {
      this.#refuse(incoming, routeOf(guild), 413, `the body is larger than ${maxBodyBytes} bytes`);
    } else if (length === 0 || uploads) {
      this.#route(incoming, guild, null, streams);
    } else {
      // A small body is read first, so that it can be sent again if it was certainly not sent.
      this.#readBody(incoming, routeOf(guild), (body) => this.#route(incoming, guild, body, streams));
    }
  }

  #onDiscord(incoming: Incoming, path: string): void {
    const { request, response, requestId } = incoming;
    const { interactions, webhooks } = this.#options;
    if (request.method !== 'POST') this.#refuse(incoming, 'other', 405, 'use POST', ['allow', 'POST']);
    else if (path === INTERACTIONS_PATH) {
      this.#settle(incoming, 'interaction', interactions.handle(request, response, requestId));
    } else this.#settle(incoming, 'event-webhook', webhooks.discordEvent(request, response, requestId));
  }

  /** Sends a request to its owner, and the answer back. */
  #route(incoming: Incoming, guild: OneOwner, body: Buffer | null, streams: boolean): void {
    const { config, exchange, log } = this.#options;
    const { request, response, requestId } = incoming;
    const headers = this.#headers(request, requestId);
    // Field by field: spreading costs on this way, which most requests take.
    const routed = new RoutedRequest({
      config,
      log,
      request,
      response,
      requestId,
      headers,
      body,
      streams,
      deadlineAt: incoming.startedAt + config.requestTimeoutMs,
      done: (pod) => this.#done(incoming, routeOf(guild), pod),
    });
    const guildId = guild.kind === 'guild' ? guild.guildId : null;
    routed.follow(exchange.routeToGateway(guildId, request.url as string, routed));
  }

  /** A route whose guild id is in its JSON body. */
  #routeByBody(incoming: Incoming, match: RouteMatch, body: Buffer): void {
    let guild: GuildOfRequest;
    try {
      const json = (): unknown => JSON.parse(body.toString('utf8'));
      guild = guildOfRequest(match, { query: '', header: () => undefined, json });
    } catch {
      this.#refuse(incoming, 'guild', 400, 'the body is not JSON');
      return;
    }
    if (guild.kind === 'invalid') {
      this.#refuse(incoming, 'guild', 400, `${JSON.stringify(guild.value)} is not a guild id`);
    } else if (guild.kind !== 'all') this.#route(incoming, guild, body, match.rule.stream === true);
  }

  #readBody(incoming: Incoming, route: RouteKind, then: (body: Buffer) => void): void {
    const { request, response, requestId } = incoming;
    this.#options.bodies.read(request, response, MAX_LINK_BODY).then(then, (error: GuildwayError) => {
      sendFailure(error, request, response, requestId, this.#options.log);
      this.#done(incoming, route, null);
    });
  }

  async #fanOut({ request, response, requestId }: Incoming): Promise<null> {
    const { upstreams, config } = this.#options;
    const own = [HEADER.httpPod, config.name, HEADER.requestId, requestId];
    if (request.method !== 'GET') {
      sendError(response, 405, 'this question is asked of all pods: use GET', ['allow', 'GET', ...own]);
      return null;
    }
    const message: GatewayRequest = {
      method: 'GET',
      target: request.url as string,
      headers: this.#headers(request, requestId),
      body: EMPTY,
    };
    const limits = { timeoutMs: config.requestTimeoutMs, awayMs: config.connectTimeoutMs };
    const result = await fanOut(upstreams, message, limits);
    sendJson(response, Object.keys(result.answers).length === 0 ? 503 : 200, result, own);
    return null;
  }

  /** Waits for work that answers by itself and says which pod did. */
  #settle(incoming: Incoming, route: RouteKind, work: Promise<number | null>): void {
    const { response, requestId } = incoming;
    work.then(
      (pod) => this.#done(incoming, route, pod),
      (error: unknown) => {
        this.#options.log.error({ err: error, request: requestId }, 'a request failed inside this pod');
        if (response.headersSent) response.destroy();
        else sendError(response, 500, 'internal error', [HEADER.requestId, requestId]);
        this.#done(incoming, route, null);
      },
    );
  }

  #refuse(incoming: Incoming, route: RouteKind, status: number, why: string, headers: HeaderList = []): void {
    sendError(incoming.response, status, why, [...headers, HEADER.requestId, incoming.requestId]);
    this.#done(incoming, route, null);
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const startedAt = performance.now();
    const requestId = this.#idPrefix + (++this.#lastId).toString(36);
    // Node leaves an upgraded socket to its listener, and an 'error' without one would end the process.
    socket.on('error', () => socket.destroy());
    const end = (pod: number | null, status: number): void => {
      const seconds = (performance.now() - startedAt) / 1_000;
      this.#options.metrics.request('upgrade', pod, outcomeOf(status), seconds);
    };
    const refuse = (status: string): void => {
      const own = ['connection', 'close', 'content-length', '0', HEADER.requestId, requestId];
      socket.end(headBlock(status, status.startsWith('503') ? [...own, 'retry-after', '1'] : own), 'latin1');
      end(null, Number.parseInt(status, 10));
    };
    const url = request.url as string;
    const query = url.indexOf('?');
    const path = query === -1 ? url : url.slice(0, query);
    const { config, exchange, routes, log } = this.#options;
    const guild = guildIn(routes.match(path), request, url, query);
    if (!path.startsWith('/') || path.startsWith(INTERNAL_PATHS) || guild.kind === 'all') {
      refuse('404 Not Found');
      return;
    }
    if (guild.kind === 'invalid' || isAmbiguousPath(path)) {
      refuse('400 Bad Request');
      return;
    }
    forwardUpgrade({
      ...{ exchange, guildId: guild.kind === 'guild' ? guild.guildId : null, httpPod: config.name },
      ...{ request, socket, head, headers: this.#headers(request, requestId), requestId },
      deadlineAt: startedAt + config.requestTimeoutMs,
    }).then(
      ({ pod, status }) => end(pod, status),
      (error: unknown) => {
        log.warn({ request: requestId, err: error as Error }, 'an upgrade failed');
        refuse(errorCode(error) === 'TOPOLOGY_MISMATCH' ? '502 Bad Gateway' : '503 Service Unavailable');
      },
    );
  }

  #headers(request: IncomingMessage, requestId: string): string[] {
    const headers = requestHeaders(request, request.socket.remoteAddress ?? '');
    headers.push(HEADER.requestId, requestId);
    return headers;
  }

  #done({ request, response, requestId, startedAt }: Incoming, route: RouteKind, pod: number | null): void {
    const elapsedMs = performance.now() - startedAt;
    const { metrics, log } = this.#options;
    metrics.request(route, pod, outcomeOf(response.statusCode), elapsedMs / 1_000);
    if (log.isLevelEnabled('debug')) {
      const { method } = request;
      log.debug({ request: requestId, route, pod, method, status: response.statusCode, elapsedMs }, 'request');
    }
  }
}

/** A guild, or none: one pod's business either way. */
type OneOwner = Extract<GuildOfRequest, { kind: 'guild' | 'none' }>;

const routeOf = (guild: OneOwner): RouteKind => (guild.kind === 'guild' ? 'guild' : 'guildless');

function guildIn(match: RouteMatch | null, request: IncomingMessage, url: string, query: number): GuildOfRequest {
  if (match === null) return { kind: 'none' };
  return guildOfRequest(match, {
    query: query === -1 ? '' : url.slice(query + 1),
    header: (name) => request.headers[name] as string | undefined,
    json: () => null,
  });
}

const wantsEvents = (request: IncomingMessage): boolean =>
  request.headers.accept?.startsWith('text/event-stream') === true;
