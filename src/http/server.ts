import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Config } from '../config.ts';
import { errorCode, type GuildwayError } from '../errors.ts';
import { type GatewayRequest, HEADER, type HeaderList, INTERNAL_PATHS, MAX_LINK_BODY } from '../link/message.ts';
import type { Logger } from '../observability/log.ts';
import type { SeldomLog } from '../observability/seldom-log.ts';
import {
  type GuildOfRequest,
  guildOfRequest,
  isAmbiguousPath,
  type RouteMatch,
  type RouteTable,
} from '../routing/route-table.ts';
import { after, elapsed, monotonicNow, wallNow } from '../time.ts';
import type { BodyReader } from './body.ts';
import type { EdgeRequest } from './edge-request.ts';
import type { Exchange } from './forward/exchange.ts';
import { fanOut } from './forward/fan-out.ts';
import type { Tunnel } from './forward/tunnel.ts';
import { forwardUpgrade, headBlock } from './forward/upgrade.ts';
import type { Upstream } from './forward/upstream.ts';
import { fieldsOf, requestHeaders } from './headers.ts';
import type { InteractionEndpoint } from './interactions/endpoint.ts';
import { Lane } from './lane/lane.ts';
import { type HttpMetrics, outcomeOf, type RouteKind } from './metrics.ts';
import { NodeRequest, type NodeRequestOptions } from './node-request.ts';
import { guildIn, type Plan, planOf, refuseGuild, routeOf } from './plan.ts';
import { sendError, sendJson } from './reply.ts';
import { RoutedRequest, type RoutedRequestOptions, sendFailure } from './routed-request.ts';
import type { WebhookEndpoints } from './webhooks/endpoint.ts';

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
  readonly seldomLog: SeldomLog;
}

const EMPTY = Buffer.alloc(0);
/** Of a request's head: Node's own default. */
const MAX_HEADER_BYTES = 16 * 1024;

/** The public side: takes every request, finds out whose it is, and has it answered there. */
export class Edge {
  readonly server: Server;
  readonly #options: EdgeOptions;
  readonly #nodeRequests: NodeRequestOptions;
  readonly #routedRequests: RoutedRequestOptions;
  readonly #lane: Lane | null;
  readonly #idPrefix = `${wallNow().toString(36)}${Math.floor(Math.random() * 36 ** 4).toString(36)}-`;
  #lastId = 0;
  /** All of them, also those that speak another protocol now, which Node's server does not count as its own any more. */
  readonly #sockets = new Set<Socket>();
  readonly #tunnels = new Set<Tunnel>();
  /** Asked once: asking for each request costs, and the level does not change. */
  readonly #logsRequests: boolean;
  #draining = false;

  constructor(options: EdgeOptions) {
    this.#options = options;
    const { config, bodies, log } = options;
    const httpPod = config.name;
    this.#logsRequests = log.isLevelEnabled('debug');
    this.#nodeRequests = { bodies, httpPod, maxBodyBytes: config.maxBodyBytes };
    this.#routedRequests = {
      ...{ requestTimeoutMs: config.requestTimeoutMs, httpPod, log: options.seldomLog },
      done: (request, route, pod) => this.#done(request, route, pod),
    };
    this.server = createServer({
      headersTimeout: config.headersTimeoutMs,
      requestTimeout: Math.max(config.bodyTimeoutMs, config.headersTimeoutMs),
      keepAliveTimeout: config.keepAliveMs,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: MAX_HEADER_BYTES,
      noDelay: true,
      // A request without a body has no stream life cycle: a tenth of what it costs.
      optimizeEmptyRequests: true,
      // Any other protocol is an offer that a server may ignore, such as curl's h2c.
      shouldUpgradeCallback: (request: IncomingMessage) => request.headers.upgrade?.toLowerCase() === 'websocket',
    } as Parameters<typeof createServer>[0] & object);
    this.server.maxConnections = config.maxConnections;
    // Without links every request streams over plain HTTP, and the lane would have nothing to do.
    this.#lane =
      config.linkSecret === null
        ? null
        : Lane.inFrontOf(this.server, {
            ...{ bodies, maxHeaderBytes: MAX_HEADER_BYTES },
            ...{ keepAliveMs: config.keepAliveMs, firstRequestMs: config.headersTimeoutMs },
            newRequestId: () => this.#newRequestId(),
            serve: (request) => this.#serveInLane(request),
          });
    if (this.#lane === null && config.linkSecret !== null) {
      log.warn('this version of Node has another HTTP parser: every request takes the longer way');
    }
    this.server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.server.on('request', (request, response) => this.#onRequest(request, response));
    this.server.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket, head));
  }

  /** From now on every response closes its connection, so that clients move to other pods; websockets are told to connect again. */
  drain(): void {
    this.#draining = true;
    this.#lane?.drain();
    for (const tunnel of this.#tunnels) tunnel.drain();
  }

  /** Ends connections on which no request is, also those that never brought one: browsers and balancers open some ahead. */
  closeIdleConnections(): void {
    this.#lane?.closeIdleConnections();
    this.server.closeIdleConnections();
    for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy();
  }

  /** Ends every connection at once, whatever it does. */
  closeConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #newRequestId(): string {
    return this.#idPrefix + (++this.#lastId).toString(36);
  }

  #onRequest(message: IncomingMessage, response: ServerResponse): void {
    if (this.#draining) response.shouldKeepAlive = false;
    const request = new NodeRequest(message, response, this.#newRequestId(), monotonicNow(), this.#nodeRequests);
    this.#serve(request, planOf(request, this.#options.routes, this.#options.config.maxBodyBytes));
  }

  /** Serves what most requests are; says false to what the lane does not fit, which then comes again through Node's server. */
  #serveInLane(request: EdgeRequest): boolean {
    const { routes, exchange, config } = this.#options;
    const plan = planOf(request, routes, config.maxBodyBytes);
    if (plan.kind === 'interaction') this.#serve(request, plan);
    else {
      if (plan.kind !== 'route' || plan.streams) return false;
      const owner = exchange.ownerOf(plan.guildId);
      if (!owner.linked) return false;
      this.#serveRoute(request, plan, owner);
    }
    return true;
  }

  #serve(request: EdgeRequest, plan: Plan): void {
    const { exchange, interactions, webhooks } = this.#options;
    switch (plan.kind) {
      case 'route':
        this.#serveRoute(request, plan, exchange.ownerOf(plan.guildId));
        break;
      case 'interaction':
        this.#settle(request, 'interaction', interactions.handle(request));
        break;
      case 'event-webhook':
        this.#settle(request, 'event-webhook', webhooks.discordEvent(request));
        break;
      case 'stripe':
        this.#settle(request, 'stripe', webhooks.stripe(request, plan.match));
        break;
      case 'guild-in-body':
        this.#readBody(request, 'guild', (body) => this.#routeByBody(request, plan.match, body));
        break;
      case 'fan-out':
        this.#settle(request, 'fan-out', this.#fanOut(request));
        break;
      case 'refuse':
        this.#refuse(request, plan);
        break;
    }
  }

  #serveRoute(request: EdgeRequest, plan: Plan & { kind: 'route' }, owner: Upstream): void {
    const { guildId, streams, body } = plan;
    const route = routeOf(guildId);
    if (body === 'none') this.#route(request, route, owner, EMPTY, streams);
    else if (body === 'stream') this.#route(request, route, owner, null, streams);
    else this.#readBody(request, route, (whole) => this.#route(request, route, owner, whole, streams));
  }

  /** Sends a request to its owner, and the answer back. @param body null: it streams */
  #route(request: EdgeRequest, route: RouteKind, owner: Upstream, body: Buffer | null, streams: boolean): void {
    const routed = new RoutedRequest(request, route, body, streams, this.#routedRequests);
    const call = this.#options.exchange.send(owner, request.url, routed);
    request.onGone(call);
  }

  /** A route whose guild id is in its JSON body. */
  #routeByBody(request: EdgeRequest, match: RouteMatch, body: Buffer): void {
    let guild: GuildOfRequest;
    try {
      const json = (): unknown => JSON.parse(body.toString('utf8'));
      guild = guildOfRequest(match, { query: '', header: () => undefined, json });
    } catch {
      sendError(request, 400, 'the body is not JSON');
      this.#done(request, 'guild', null);
      return;
    }
    if (guild.kind === 'invalid') this.#refuse(request, refuseGuild(guild.value));
    else {
      const guildId = guild.kind === 'guild' ? guild.guildId : null;
      const owner = this.#options.exchange.ownerOf(guildId);
      this.#route(request, routeOf(guildId), owner, body, match.rule.stream === true);
    }
  }

  #readBody(request: EdgeRequest, route: RouteKind, then: (body: Buffer) => void): void {
    request.readBody(MAX_LINK_BODY).then(then, (error: GuildwayError) => {
      sendFailure(error, request, this.#options.seldomLog);
      this.#done(request, route, null);
    });
  }

  async #fanOut(request: EdgeRequest): Promise<null> {
    const { upstreams, config } = this.#options;
    const own = [HEADER.httpPod, config.name];
    if (request.method !== 'GET') {
      sendError(request, 405, 'this question is asked of all pods: use GET', ['allow', 'GET', ...own]);
      return null;
    }
    // Each pod gets the question without a body, whatever the client sent.
    const fields = request.fields.filter((_, i, all) => all[i - (i % 2)] !== 'content-length');
    const headers = this.#headers(fields, request.address, request.id);
    const message: GatewayRequest = { method: 'GET', target: request.url, headers, body: EMPTY };
    const limits = { timeoutMs: config.requestTimeoutMs, awayMs: config.connectTimeoutMs };
    const result = await fanOut(upstreams, message, limits);
    sendJson(request, Object.keys(result.answers).length === 0 ? 503 : 200, result, own);
    return null;
  }

  /** Waits for work that answers by itself and says which pod did. */
  #settle(request: EdgeRequest, route: RouteKind, work: Promise<number | null>): void {
    work.then(
      (pod) => this.#done(request, route, pod),
      (error: unknown) => {
        this.#options.log.error({ err: error, request: request.id }, 'a request failed inside this pod');
        if (request.status === 0) sendError(request, 500, 'internal error');
        else request.abort();
        this.#done(request, route, null);
      },
    );
  }

  #refuse(request: EdgeRequest, { status, why, headers, route }: Plan & { kind: 'refuse' }): void {
    sendError(request, status, why, headers);
    this.#done(request, route, null);
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const startedAt = monotonicNow();
    const requestId = this.#newRequestId();
    // Node leaves an upgraded socket to its listener, and an 'error' without one would end the process.
    socket.on('error', () => socket.destroy());
    const end = (pod: number | null, status: number): void => {
      const seconds = elapsed(startedAt) / 1_000;
      this.#options.metrics.request('upgrade', pod, outcomeOf(status), seconds);
    };
    const refuse = (status: string): void => {
      const own = ['connection', 'close', 'content-length', '0', HEADER.requestId, requestId];
      socket.end(headBlock(status, status.startsWith('503') ? [...own, 'retry-after', '1'] : own), 'latin1');
      end(null, Number.parseInt(status, 10));
    };
    if (this.#draining) {
      refuse('503 Service Unavailable');
      return;
    }
    const url = request.url as string;
    const query = url.indexOf('?');
    const path = query === -1 ? url : url.slice(0, query);
    const { config, exchange, routes, seldomLog } = this.#options;
    const fields = fieldsOf(request.rawHeaders);
    const guild = guildIn(routes.match(path), url, query, fields);
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
      headers: this.#headers(fields, request.socket.remoteAddress ?? '', requestId),
      ...{ request, socket, head, requestId },
      onTunnel: (tunnel) => this.#addTunnel(tunnel, socket),
      deadlineAt: after(startedAt, config.requestTimeoutMs),
    }).then(
      ({ pod, status }) => end(pod, status),
      (error: unknown) => {
        seldomLog.warn({ request: requestId, err: error as Error }, 'an upgrade failed');
        refuse(errorCode(error) === 'TOPOLOGY_MISMATCH' ? '502 Bad Gateway' : '503 Service Unavailable');
      },
    );
  }

  #addTunnel(tunnel: Tunnel, socket: Duplex): void {
    if (this.#draining) tunnel.drain();
    this.#tunnels.add(tunnel);
    socket.once('close', () => this.#tunnels.delete(tunnel));
  }

  #headers(fields: HeaderList, address: string, requestId: string): string[] {
    const headers = requestHeaders(fields, address);
    headers.push(HEADER.requestId, requestId);
    return headers;
  }

  #done(request: EdgeRequest, route: RouteKind, pod: number | null): void {
    const elapsedMs = elapsed(request.startedAt);
    const { metrics, log } = this.#options;
    const { status } = request;
    metrics.request(route, pod, outcomeOf(status), elapsedMs / 1_000);
    if (this.#logsRequests) {
      log.debug({ request: request.id, route, pod, method: request.method, status, elapsedMs }, 'request');
    }
  }
}
