import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { HttpConfig } from '../config/load.ts';
import type { GuildwayError } from '../errors.ts';
import { type GatewayRequest, HEADER, MAX_LINK_BODY } from '../link/message.ts';
import type { Logger } from '../observability/log.ts';
import type { ThrottledLog } from '../observability/throttled-log.ts';
import {
  type GuildOfRequest,
  guildOfRequest,
  isAnyPods,
  type RouteMatch,
  type RouteTable,
} from '../routing/route-table.ts';
import { elapsed, monotonicNow, wallNow } from '../time.ts';
import { type Classified, classify, refuseGuild, routeOf } from './endpoints/classify.ts';
import type { InteractionEndpoint } from './endpoints/interaction.ts';
import { type Route, RoutedRequest, type RoutedRequestOptions } from './endpoints/routed-request.ts';
import { isWebSocketUpgrade, Upgrades } from './endpoints/upgrades.ts';
import type { WebhookEndpoints } from './endpoints/webhooks.ts';
import type { BodyReader } from './inbound/body.ts';
import type { EdgeRequest } from './inbound/edge-request.ts';
import { FastPath } from './inbound/fast-path/fast-path.ts';
import type { RequestHeaders } from './inbound/headers.ts';
import { NodeRequest, type NodeRequestOptions } from './inbound/node-request.ts';
import { Turns } from './inbound/pipeline-turns.ts';
import type { ClientOf } from './inbound/proxies.ts';
import { refuseBody, sendError, sendJson, wantsHtml } from './inbound/reply.ts';
import { UnreadResponses } from './inbound/unread-responses.ts';
import { type HttpMetrics, outcomeOf, type RouteKind } from './metrics.ts';
import { fanOut } from './outbound/fan-out.ts';
import type { OwnerClient } from './outbound/owner-client.ts';
import type { Upstream } from './outbound/upstream.ts';

export interface EdgeOptions {
  readonly config: Pick<
    HttpConfig,
    | ('name' | 'linkSecret' | 'maxConnections' | 'maxBodyBytes')
    | ('headersTimeoutMs' | 'bodyTimeoutMs' | 'keepAliveMs' | 'requestTimeoutMs' | 'connectTimeoutMs')
  >;
  readonly routes: RouteTable;
  readonly owners: OwnerClient;
  readonly bodies: BodyReader;
  readonly clientOf: ClientOf;
  readonly upstreams: readonly Upstream[];
  readonly interactions: InteractionEndpoint;
  readonly webhooks: WebhookEndpoints;
  readonly headersFor: RequestHeaders;
  readonly metrics: HttpMetrics;
  readonly log: Logger;
  readonly throttledLog: ThrottledLog;
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
  readonly #lane: FastPath | null;
  readonly #idPrefix = `${wallNow().toString(36)}${Math.floor(Math.random() * 36 ** 4).toString(36)}-`;
  #lastId = 0;
  /** All of them, also those that speak another protocol now, which Node's server does not count as its own any more. */
  readonly #sockets = new Set<Socket>();
  readonly #upgrades: Upgrades;
  readonly #unread = new UnreadResponses();
  readonly #turns = new Turns((message, response) => this.#onRequest(message, response));
  /** Asked once: asking for each request costs, and the level does not change. */
  readonly #logsRequests: boolean;
  #draining = false;

  constructor(options: EdgeOptions) {
    this.#options = options;
    const { config, bodies, log, routes, owners, headersFor, metrics, throttledLog } = options;
    const httpPod = config.name;
    this.#logsRequests = log.isLevelEnabled('debug');
    this.#nodeRequests = {
      bodies,
      unread: this.#unread,
      clientOf: options.clientOf,
      httpPod,
      maxBodyBytes: config.maxBodyBytes,
    };
    this.#routedRequests = {
      ...{ requestTimeoutMs: config.requestTimeoutMs, httpPod, headersFor, log: throttledLog },
      done: (request, route, pod) => this.#done(request, route, pod),
    };
    this.#upgrades = new Upgrades({
      ...{ routes, owners, headersFor, metrics, httpPod, log: throttledLog },
      requestTimeoutMs: config.requestTimeoutMs,
    });
    this.server = createServer({
      headersTimeout: config.headersTimeoutMs,
      requestTimeout: Math.max(config.bodyTimeoutMs, config.headersTimeoutMs),
      keepAliveTimeout: config.keepAliveMs,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: MAX_HEADER_BYTES,
      noDelay: true,
      // A request without a body has no stream life cycle: a tenth of what it costs.
      optimizeEmptyRequests: true,
      // Seen to in their turn, with the other faults of a head: Node would answer at once.
      requireHostHeader: false,
      shouldUpgradeCallback: isWebSocketUpgrade,
    } as Parameters<typeof createServer>[0] & object);
    this.server.maxConnections = config.maxConnections;
    // Without links every request streams over plain HTTP, and the lane would have nothing to do.
    this.#lane =
      config.linkSecret === null
        ? null
        : FastPath.inFrontOf(this.server, {
            ...{ bodies, unread: this.#unread, maxHeaderBytes: MAX_HEADER_BYTES },
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
    this.server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) =>
      this.#turns.refuseBytes(error, socket),
    );
    for (const event of ['request', 'checkContinue', 'checkExpectation'] as const) {
      this.server.on(event, (message, response) => this.#turns.take(message, response));
    }
    this.server.on('upgrade', (message, socket, head) => {
      // Sent ahead, while another is being answered, whose bytes it would mix with its own.
      if (!this.#turns.endBehindRequests(message.socket))
        this.#upgrades.take(message, socket, head, this.#newRequestId());
    });
  }

  /** From now on every response closes its connection, so that clients move to other pods; websockets are told to connect again. */
  drain(): void {
    this.#draining = true;
    this.#lane?.drain();
    this.#upgrades.drain();
  }

  /** Ends connections on which no request is, also those that never brought one: browsers and balancers open some ahead. */
  closeIdleConnections(): void {
    this.#lane?.closeIdleConnections();
    this.server.closeIdleConnections();
    for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy();
  }

  /** Ends every connection at once, whatever it does. */
  closeConnections(): void {
    this.#unread.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #newRequestId(): string {
    return this.#idPrefix + (++this.#lastId).toString(36);
  }

  #onRequest(message: IncomingMessage, response: ServerResponse): void {
    const request = new NodeRequest(message, response, this.#newRequestId(), monotonicNow(), this.#nodeRequests);
    // Behind an upgrade that is ignored Node's parser loses bytes; behind a head that is wrong nothing is to be trusted.
    if (this.#draining || message.headers.upgrade !== undefined || request.fault !== null) {
      response.shouldKeepAlive = false;
    }
    const classified = classify(request, this.#options.routes, this.#options.config.maxBodyBytes);
    // A client that asks first is spared sending a body that is refused.
    if (message.headers.expect !== undefined && classified.kind !== 'refuse') response.writeContinue();
    this.#serve(request, classified);
  }

  /** Serves what most requests are; says false to what the lane does not fit, which then comes again through Node's server. */
  #serveInLane(request: EdgeRequest): boolean {
    const { routes, owners, config } = this.#options;
    const classified = classify(request, routes, config.maxBodyBytes);
    if (classified.kind === 'interaction' || classified.kind === 'health') this.#serve(request, classified);
    else {
      if (classified.kind !== 'route' || classified.streams) return false;
      const pod = owners.podFor(classified.guildId, classified.anyPod);
      if (!pod.linked) return false;
      this.#serveRoute(request, classified, pod);
    }
    return true;
  }

  #serve(request: EdgeRequest, classified: Classified): void {
    const { owners, interactions, webhooks } = this.#options;
    switch (classified.kind) {
      case 'route':
        this.#serveRoute(request, classified, owners.podFor(classified.guildId, classified.anyPod));
        break;
      case 'interaction':
        this.#settle(request, 'interaction', interactions.handle(request));
        break;
      case 'event-webhook':
        this.#settle(request, 'event-webhook', webhooks.discordEvent(request));
        break;
      case 'stripe':
        this.#settle(request, 'stripe', webhooks.stripe(request, classified.match));
        break;
      case 'guild-in-body':
        this.#readBody(request, 'guild', null, (body) => this.#routeByBody(request, classified.match, body));
        break;
      case 'fan-out':
        this.#settle(request, 'fan-out', this.#fanOut(request));
        break;
      case 'health':
        this.#answerHealth(request);
        break;
      case 'refuse':
        this.#refuse(request, classified);
        break;
    }
  }

  #serveRoute(request: EdgeRequest, classified: Classified & { kind: 'route' }, pod: Upstream): void {
    const { anyPod, body } = classified;
    if (anyPod && request.url === '/' && !pod.live && !wantsHtml(request)) {
      // A balancer that was never told of the health path asks here: it must not take all HTTP pods out of service.
      this.#answerHealth(request);
    } else if (body === 'none') this.#route(request, classified, pod, EMPTY);
    else if (body === 'stream') this.#route(request, classified, pod, null);
    else
      this.#readBody(request, routeOf(classified.guildId), pod, (whole) =>
        this.#route(request, classified, pod, whole),
      );
  }

  /** Sends a request to its pod, and the answer back. @param body null: it streams */
  #route(request: EdgeRequest, route: Route, pod: Upstream, body: Buffer | null): void {
    const routed = new RoutedRequest(request, route, body, this.#routedRequests);
    const call = this.#options.owners.send(pod, request.url, routed);
    request.onGone(call);
  }

  /** Says that this pod lives, whichever gateway pods are away. */
  #answerHealth(request: EdgeRequest): void {
    const [status, text] = this.#draining ? [503, 'shutting down\n'] : [200, 'ok\n'];
    const body = Buffer.from(text);
    const headers = ['content-type', 'text/plain', 'content-length', String(body.length), 'cache-control', 'no-store'];
    request.respond(status, [...headers, HEADER.requestId, request.id], request.method === 'HEAD' ? EMPTY : body);
    this.#done(request, 'other', null);
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
    if (guild.kind === 'invalid' || guild.kind === 'unknown') {
      this.#refuse(request, refuseGuild(guild));
      return;
    }
    const guildId = guild.kind === 'guild' ? guild.guildId : null;
    const anyPod = guildId === null && isAnyPods(match, request.method);
    const pod = this.#options.owners.podFor(guildId, anyPod);
    this.#route(request, { guildId, anyPod, streams: match.rule.stream === true }, pod, body);
  }

  #readBody(request: EdgeRequest, route: RouteKind, pod: Upstream | null, then: (body: Buffer) => void): void {
    request.readBody(MAX_LINK_BODY, 'other', pod?.ordinal ?? null).then(then, (error: GuildwayError) => {
      refuseBody(request, error);
      this.#done(request, route, null);
    });
  }

  async #fanOut(request: EdgeRequest): Promise<null> {
    const { upstreams, config, headersFor } = this.#options;
    const own = [HEADER.httpPod, config.name];
    if (request.method !== 'GET') {
      sendError(request, 405, 'this question is asked of all pods: use GET', ['allow', 'GET', ...own]);
      return null;
    }
    // Each pod gets the question without a body, whatever the client sent.
    const fields = request.fields.filter((_, i, all) => all[i - (i % 2)] !== 'content-length');
    const headers = headersFor({ fields, address: request.address, id: request.id });
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

  #refuse(request: EdgeRequest, { status, why, headers, route }: Classified & { kind: 'refuse' }): void {
    sendError(request, status, why, headers);
    this.#done(request, route, null);
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
