import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Config } from '../config.ts';
import { errorCode, type GuildwayError } from '../errors.ts';
import { type GatewayRequest, HEADER, INTERNAL_PATHS, MAX_LINK_BODY } from '../link/message.ts';
import type { Logger } from '../observability/log.ts';
import {
  type GuildOfRequest,
  guildOfRequest,
  isAmbiguousPath,
  type RouteMatch,
  type RouteTable,
} from '../routing/route-table.ts';
import { declaredLength, readBody } from './body.ts';
import { type Exchange, throughBreaker } from './forward/exchange.ts';
import { fanOut } from './forward/fan-out.ts';
import { forwardStream } from './forward/stream.ts';
import { forwardUpgrade, headBlock } from './forward/upgrade.ts';
import type { Upstream } from './forward/upstream.ts';
import { requestHeaders } from './headers.ts';
import { INTERACTIONS_PATH, type InteractionEndpoint } from './interactions/endpoint.ts';
import { type HttpMetrics, outcomeOf, type RouteKind } from './metrics.ts';
import { sendAnswer, sendError, sendJson } from './reply.ts';
import { EVENTS_PATH, isStripe, type WebhookEndpoints } from './webhooks/endpoint.ts';

export interface EdgeOptions {
  readonly config: Config;
  readonly routes: RouteTable;
  readonly exchange: Exchange;
  readonly upstreams: readonly Upstream[];
  readonly interactions: InteractionEndpoint;
  readonly webhooks: WebhookEndpoints;
  readonly metrics: HttpMetrics;
  readonly log: Logger;
}

const EMPTY = Buffer.alloc(0);
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** The public side: takes every request, finds out whose it is, and has it answered there. */
export class Edge {
  readonly server: Server;
  readonly #options: EdgeOptions;
  readonly #idPrefix = `${Date.now().toString(36)}${Math.floor(Math.random() * 36 ** 4).toString(36)}-`;
  #lastId = 0;
  /** Sockets that speak another protocol now; the server does not count them as its own any more. */
  readonly #upgraded = new Set<Duplex>();
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
    this.server.on('request', (request, response) => this.#onRequest(request, response));
    this.server.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket, head));
  }

  /** From now on every response closes its connection, so that clients move to other pods. */
  drain(): void {
    this.#draining = true;
  }

  /** Ends every connection at once, whatever it does. */
  closeConnections(): void {
    this.server.closeAllConnections();
    for (const socket of this.#upgraded) socket.destroy();
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const startedAt = performance.now();
    const requestId = this.#idPrefix + (++this.#lastId).toString(36);
    if (this.#draining) response.shouldKeepAlive = false;
    const url = request.url as string;
    const query = url.indexOf('?');
    const path = query === -1 ? url : url.slice(0, query);
    const done = (route: RouteKind, pod: number | null): void =>
      this.#done(route, pod, request, response, startedAt, requestId);
    const settle = (route: RouteKind, work: Promise<number | null>): void => {
      work.then(
        (pod) => done(route, pod),
        (error: unknown) => {
          this.#options.log.error({ err: error, request: requestId }, 'a request failed inside this pod');
          if (response.headersSent) response.destroy();
          else sendError(response, 500, 'internal error', [HEADER.requestId, requestId]);
          done(route, null);
        },
      );
    };

    if (path === INTERACTIONS_PATH || path === EVENTS_PATH) {
      if (request.method !== 'POST') {
        sendError(response, 405, 'use POST', ['allow', 'POST']);
        done('other', null);
      } else if (path === INTERACTIONS_PATH) {
        settle('interaction', this.#options.interactions.handle(request, response, requestId));
      } else {
        settle('event-webhook', this.#options.webhooks.discordEvent(request, response, requestId));
      }
      return;
    }
    if (!path.startsWith('/') || path.startsWith(INTERNAL_PATHS)) {
      sendError(response, 404, 'not found');
      done('other', null);
      return;
    }
    if (isAmbiguousPath(path)) {
      sendError(response, 400, 'the path has dot segments or backslashes', [HEADER.requestId, requestId]);
      done('other', null);
      return;
    }
    const match = this.#options.routes.match(path);
    if (match !== null && isStripe(path) && request.method === 'POST') {
      settle('stripe', this.#options.webhooks.stripe(request, response, match, requestId));
      return;
    }
    if (match !== null && match.rule.guild.from === 'json') {
      settle('guild', this.#byBody(match, request, response, requestId, startedAt));
      return;
    }
    const guild = guildIn(match, request, url, query);
    this.#forward(guild, match, request, response, requestId, startedAt, done, settle);
  }

  #forward(
    guild: GuildOfRequest,
    match: RouteMatch | null,
    request: IncomingMessage,
    response: ServerResponse,
    requestId: string,
    startedAt: number,
    done: (route: RouteKind, pod: number | null) => void,
    settle: (route: RouteKind, work: Promise<number | null>) => void,
  ): void {
    if (guild.kind === 'invalid') {
      sendError(response, 400, `${JSON.stringify(guild.value)} is not a guild id`, [HEADER.requestId, requestId]);
      done('guild', null);
      return;
    }
    if (guild.kind === 'all') {
      settle('fan-out', this.#fanOut(request, response, requestId));
      return;
    }
    const { config, exchange } = this.#options;
    const guildId = guild.kind === 'guild' ? guild.guildId : null;
    const route: RouteKind = guildId === null ? 'guildless' : 'guild';
    const owner = exchange.ownerOf(guildId);
    const length = declaredLength(request);
    if (length !== null && length > config.maxBodyBytes) {
      sendError(response, 413, `the body is larger than ${config.maxBodyBytes} bytes`, [HEADER.requestId, requestId]);
      done(route, null);
      return;
    }
    const deadlineAt = startedAt + config.requestTimeoutMs;
    const linkable = owner.link !== null && owner.link.state !== 'plain';
    const streams = length === null || length > MAX_LINK_BODY || match?.rule.stream === true;
    if (streams || (length === 0 && (!linkable || wantsEvents(request)))) {
      settle(route, this.#stream(owner, null, request, response, requestId, deadlineAt));
      return;
    }
    if (length > 0) {
      // A small body is read first, so that it can be sent again if it was certainly not sent.
      settle(route, this.#small(owner, request, response, requestId, deadlineAt));
      return;
    }
    this.#hot(owner, route, request, response, requestId, deadlineAt, done, settle);
  }

  /**
   * The way of most requests: no body, and a link that is up. One callback and no promise; whatever does not go smoothly is
   * handed to the way that can try again.
   */
  #hot(
    owner: Upstream,
    route: RouteKind,
    request: IncomingMessage,
    response: ServerResponse,
    requestId: string,
    deadlineAt: number,
    done: (route: RouteKind, pod: number | null) => void,
    settle: (route: RouteKind, work: Promise<number | null>) => void,
  ): void {
    const { config } = this.#options;
    const link = owner.link;
    if (link === null || link.state !== 'ready' || !owner.breaker.tryPass()) {
      settle(route, this.#whole(owner, EMPTY, request, response, requestId, deadlineAt));
      return;
    }
    const message = this.#message(request, EMPTY, requestId);
    const id = link.send(message, deadlineAt - performance.now(), (error, answer) => {
      if (answer !== null && answer.status !== 421) {
        owner.breaker.succeeded();
        sendAnswer(response, answer, { pod: owner.ordinal, httpPod: config.name, requestId });
        done(route, owner.ordinal);
        return;
      }
      if (error?.code === 'CANCELLED') {
        owner.breaker.undecided();
        done(route, owner.ordinal);
        return;
      }
      if (error !== null) owner.breaker.failed();
      if (error?.facts.sent === true && !repeatable(request)) {
        this.#fail(error, request, response, requestId);
        done(route, null);
        return;
      }
      settle(route, this.#whole(owner, EMPTY, request, response, requestId, deadlineAt));
    });
    // Not `once`, which costs more: a response closes once.
    response.on('close', () => {
      if (!response.writableFinished) link.cancel(id);
    });
  }

  async #whole(
    owner: Upstream,
    body: Buffer,
    request: IncomingMessage,
    response: ServerResponse,
    requestId: string,
    deadlineAt: number,
  ): Promise<number | null> {
    const { exchange, config } = this.#options;
    try {
      const message = this.#message(request, body, requestId);
      const { response: answer, pod } = await exchange.ask(owner, message, deadlineAt, repeatable(request));
      sendAnswer(response, answer, { pod, httpPod: config.name, requestId });
      return pod;
    } catch (error) {
      this.#fail(error as GuildwayError, request, response, requestId);
      return null;
    }
  }

  async #small(
    owner: Upstream,
    request: IncomingMessage,
    response: ServerResponse,
    requestId: string,
    deadlineAt: number,
  ): Promise<number | null> {
    let body: Buffer;
    try {
      body = await readBody(request, MAX_LINK_BODY);
    } catch (error) {
      this.#fail(error as GuildwayError, request, response, requestId);
      return null;
    }
    const plain = owner.link === null || owner.link.state === 'plain' || wantsEvents(request);
    if (plain) return this.#stream(owner, body, request, response, requestId, deadlineAt);
    return this.#whole(owner, body, request, response, requestId, deadlineAt);
  }

  /** Over plain HTTP, the response streaming. */
  async #stream(
    owner: Upstream,
    body: Buffer | null,
    request: IncomingMessage,
    response: ServerResponse,
    requestId: string,
    deadlineAt: number,
  ): Promise<number | null> {
    const { config, exchange } = this.#options;
    const { maxBodyBytes, name: httpPod } = config;
    const headers = this.#headers(request, requestId);
    let answered = owner;
    const once = (timeoutMs: number): Promise<number> =>
      exchange.following(owner, (pod) => {
        answered = pod;
        const streamed = { upstream: pod, body, headers, request, response, requestId };
        return throughBreaker(pod, () => forwardStream({ ...streamed, maxBodyBytes, timeoutMs, httpPod }));
      });
    try {
      // A body that has begun to stream is gone; what has none, or has been read, can be sent again.
      const uploads = body === null && declaredLength(request) !== 0;
      if (uploads) await once(deadlineAt - performance.now());
      else await exchange.retrying(owner, deadlineAt, repeatable(request), once);
      return answered.ordinal;
    } catch (error) {
      this.#fail(error as GuildwayError, request, response, requestId);
      return null;
    }
  }

  async #fanOut(request: IncomingMessage, response: ServerResponse, requestId: string): Promise<null> {
    if (request.method !== 'GET') {
      sendError(response, 405, 'this question is asked of all pods: use GET', [
        'allow',
        'GET',
        HEADER.requestId,
        requestId,
      ]);
      return null;
    }
    const { upstreams, config } = this.#options;
    const result = await fanOut(upstreams, this.#message(request, EMPTY, requestId), config.requestTimeoutMs / 2);
    const own = [HEADER.httpPod, config.name, HEADER.requestId, requestId];
    sendJson(response, Object.keys(result.answers).length === 0 ? 503 : 200, result, own);
    return null;
  }

  /** A route whose guild id is in its JSON body. */
  async #byBody(
    match: RouteMatch,
    request: IncomingMessage,
    response: ServerResponse,
    requestId: string,
    startedAt: number,
  ): Promise<number | null> {
    const { exchange, config } = this.#options;
    try {
      const body = await readBody(request, MAX_LINK_BODY);
      const guild = guildOfRequest(match, {
        query: '',
        header: () => undefined,
        json: () => JSON.parse(body.toString('utf8')),
      });
      if (guild.kind === 'invalid') {
        sendError(response, 400, `${JSON.stringify(guild.value)} is not a guild id`, [HEADER.requestId, requestId]);
        return null;
      }
      const owner = exchange.ownerOf(guild.kind === 'guild' ? guild.guildId : null);
      return await this.#whole(owner, body, request, response, requestId, startedAt + config.requestTimeoutMs);
    } catch (error) {
      if (error instanceof SyntaxError) sendError(response, 400, 'the body is not JSON', [HEADER.requestId, requestId]);
      else this.#fail(error as GuildwayError, request, response, requestId);
      return null;
    }
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const startedAt = performance.now();
    const requestId = this.#idPrefix + (++this.#lastId).toString(36);
    // Node leaves an upgraded socket to its listener, and an 'error' without one would end the process.
    socket.on('error', () => socket.destroy());
    this.#upgraded.add(socket);
    socket.once('close', () => this.#upgraded.delete(socket));
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
      ...{ exchange, owner: exchange.ownerOf(guild.kind === 'guild' ? guild.guildId : null) },
      ...{ request, socket, head, headers: this.#headers(request, requestId), requestId, httpPod: config.name },
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

  #message(request: IncomingMessage, body: Buffer, requestId: string): GatewayRequest {
    return {
      method: request.method as string,
      target: request.url as string,
      headers: this.#headers(request, requestId),
      body,
    };
  }

  /** Tells the caller what is known of a request that was not answered. */
  #fail(error: GuildwayError, request: IncomingMessage, response: ServerResponse, requestId: string): void {
    const own = [HEADER.requestId, requestId];
    const code = errorCode(error);
    if (code === undefined) throw error;
    if (code === 'CANCELLED') {
      response.destroy();
      return;
    }
    this.#options.log.warn({ request: requestId, err: error }, 'the owner did not answer');
    if (code === 'BODY_TOO_LARGE') sendError(response, 413, error.message, own);
    else if (code === 'TOPOLOGY_MISMATCH') sendError(response, 502, error.message, own);
    else if (error.facts.sent === true && !SAFE_METHODS.has(request.method as string)) {
      sendError(response, 502, 'the owner of this guild did not answer; the request may have been carried out', own);
    } else sendError(response, 503, 'the owner of this guild is away; nothing was done', [...own, 'retry-after', '1']);
  }

  #done(
    route: RouteKind,
    pod: number | null,
    request: IncomingMessage,
    response: ServerResponse,
    startedAt: number,
    requestId: string,
  ): void {
    const elapsedMs = performance.now() - startedAt;
    const { metrics, log } = this.#options;
    metrics.request(route, pod, outcomeOf(response.statusCode), elapsedMs / 1_000);
    if (log.isLevelEnabled('debug')) {
      log.debug(
        { request: requestId, route, pod, method: request.method, status: response.statusCode, elapsedMs },
        'request',
      );
    }
  }
}

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

/** Whether a request may reach its owner twice without harm: by its method, or because the owner recognises it. */
const repeatable = (request: IncomingMessage): boolean =>
  SAFE_METHODS.has(request.method as string) || request.headers['idempotency-key'] !== undefined;
