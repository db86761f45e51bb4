import type { HttpConfig } from '../../config/load.ts';
import { type GatewayRequest, HEADER } from '../../link/message.ts';
import type { Logger } from '../../observability/log.ts';
import type { ThrottledLog } from '../../observability/throttled-log.ts';
import type { RouteTable } from '../../routing/route-table.ts';
import { elapsed } from '../../time.ts';
import type { EdgeRequest } from '../inbound/edge-request.ts';
import type { RequestHeaders } from '../inbound/headers.ts';
import { sendError, sendJson, wantsHtml } from '../inbound/reply.ts';
import { type HttpMetrics, outcomeOf, type RouteKind } from '../metrics/http-metrics.ts';
import { fanOut } from '../outbound/fan-out.ts';
import type { OwnerClient } from '../outbound/owner-client.ts';
import type { Upstream } from '../outbound/upstream.ts';
import type { Upstreams } from '../outbound/upstreams.ts';
import { type Classified, classify } from './classify.ts';
import type { InteractionEndpoint } from './interaction.ts';
import { RoutedEndpoint } from './routed-endpoint.ts';
import type { WebhookEndpoints } from './webhooks.ts';

const EMPTY = Buffer.alloc(0);

export interface EndpointsOptions {
  readonly config: Pick<HttpConfig, 'name' | 'maxBodyBytes' | 'requestTimeoutMs' | 'connectTimeoutMs'>;
  readonly routes: RouteTable;
  readonly owners: OwnerClient;
  readonly upstreams: Pick<Upstreams, 'every'>;
  readonly interactions: InteractionEndpoint;
  readonly webhooks: WebhookEndpoints;
  readonly headersFor: RequestHeaders;
  readonly metrics: HttpMetrics;
  readonly log: Logger;
  readonly throttledLog: ThrottledLog;
}

/** Classifies each request, passes it to its endpoint, and counts it. */
export class Endpoints {
  readonly #options: EndpointsOptions;
  readonly #routed: RoutedEndpoint;
  /** Read once, because reading the level is expensive and it does not change. */
  readonly #logsRequests: boolean;
  #draining = false;

  constructor(options: EndpointsOptions) {
    this.#options = options;
    const { config, owners, headersFor, log, throttledLog } = options;
    this.#logsRequests = log.isLevelEnabled('debug');
    this.#routed = new RoutedEndpoint({
      ...{ owners, headersFor, httpPod: config.name, requestTimeoutMs: config.requestTimeoutMs, log: throttledLog },
      onDone: (request, route, pod) => this.#done(request, route, pod),
    });
  }

  /** From now on the health path reports that this pod is shutting down. */
  drain(): void {
    this.#draining = true;
  }

  classify(request: EdgeRequest): Classified {
    return classify(request, this.#options.routes, this.#options.config.maxBodyBytes);
  }

  /** Serves a request that arrived whole. @returns false if it needs Node's server and nothing was done */
  serveWhole(request: EdgeRequest): boolean {
    const { owners } = this.#options;
    const classified = this.classify(request);
    if (classified.kind === 'interaction' || classified.kind === 'health') this.serve(request, classified);
    else {
      if (classified.kind !== 'route' || classified.streams) return false;
      const pod = owners.podFor(classified.guildId, classified.anyPod);
      if (!pod.linked) return false;
      this.#serveRoute(request, classified, pod);
    }
    return true;
  }

  serve(request: EdgeRequest, classified: Classified): void {
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
        this.#routed.serveByBody(request, classified.match);
        break;
      case 'fan-out':
        this.#settle(request, 'fan-out', this.#fanOut(request));
        break;
      case 'health':
        this.#answerHealth(request);
        break;
      case 'refuse':
        sendError(request, classified.status, classified.why, classified.headers);
        this.#done(request, classified.route, null);
        break;
    }
  }

  #serveRoute(request: EdgeRequest, classified: Classified & { kind: 'route' }, pod: Upstream): void {
    // Load balancers without the health path check this one. They must not take all HTTP pods out of service.
    if (classified.anyPod && request.url === '/' && !pod.live && !wantsHtml(request)) this.#answerHealth(request);
    else this.#routed.serve(request, classified, pod);
  }

  /** Reports that this pod is alive, regardless of the gateway pods. */
  #answerHealth(request: EdgeRequest): void {
    const [status, text] = this.#draining ? [503, 'shutting down\n'] : [200, 'ok\n'];
    const body = Buffer.from(text);
    const headers = ['content-type', 'text/plain', 'content-length', String(body.length), 'cache-control', 'no-store'];
    request.respond(status, [...headers, HEADER.requestId, request.id], request.method === 'HEAD' ? EMPTY : body);
    this.#done(request, 'other', null);
  }

  async #fanOut(request: EdgeRequest): Promise<null> {
    const { upstreams, config, headersFor } = this.#options;
    const own = [HEADER.httpPod, config.name];
    if (request.method !== 'GET') {
      sendError(request, 405, 'this request goes to all pods: use GET', ['allow', 'GET', ...own]);
      return null;
    }
    // Pods get the request without the client's body.
    const fields = request.fields.filter((_, i, all) => all[i - (i % 2)] !== 'content-length');
    const headers = headersFor({ fields, address: request.address, id: request.id });
    const message: GatewayRequest = { method: 'GET', target: request.url, headers, body: EMPTY };
    const limits = { timeoutMs: config.requestTimeoutMs, awayMs: config.connectTimeoutMs };
    const result = await fanOut(await upstreams.every(), message, limits);
    sendJson(request, Object.keys(result.answers).length === 0 ? 503 : 200, result, own);
    return null;
  }

  /** Waits for an endpoint that sends its own response and returns the pod that handled the request. */
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
