import type { GuildwayError } from '../../errors.ts';
import { MAX_LINK_BODY } from '../../link/message.ts';
import { type GuildOfRequest, guildOfRequest, isAnyPods, type RouteMatch } from '../../routing/route-table.ts';
import { after, type Duration } from '../../time.ts';
import type { EdgeRequest } from '../inbound/edge-request.ts';
import { fieldValue, type RequestHeaders } from '../inbound/headers.ts';
import { refuseBody, sendError, wantsHtml } from '../inbound/reply.ts';
import type { RouteKind } from '../metrics/http-metrics.ts';
import { ForwardedRequest } from '../outbound/forwarded-request.ts';
import type { OwnerClient } from '../outbound/owner-client.ts';
import type { Upstream } from '../outbound/upstream.ts';
import { type Classified, refuseGuild, routeOf } from './classify.ts';
import { type Route, RoutedResponse, type RoutedResponseOptions, SAFE_METHODS } from './routed-response.ts';

const EMPTY = Buffer.alloc(0);
/** A browser shows within 3 s what is wrong: no attempt to reach a pod that is away starts after this. */
const PAGE_PATIENCE_MS = 2_000;

export interface RoutedEndpointOptions extends RoutedResponseOptions {
  readonly owners: OwnerClient;
  readonly requestTimeoutMs: Duration;
  readonly headersFor: RequestHeaders;
}

/** Pages and API calls: each goes to the pod that owns its guild. */
export class RoutedEndpoint {
  readonly #options: RoutedEndpointOptions;

  constructor(options: RoutedEndpointOptions) {
    this.#options = options;
  }

  /** Serves a request whose head says where it goes. */
  serve(request: EdgeRequest, classified: Classified & { kind: 'route' }, pod: Upstream): void {
    const { body, guildId } = classified;
    if (body === 'none') this.#forward(request, classified, pod, EMPTY);
    else if (body === 'stream') this.#forward(request, classified, pod, null);
    else this.#readBody(request, routeOf(guildId), pod, (whole) => this.#forward(request, classified, pod, whole));
  }

  /** Serves a request whose guild id is in its JSON body. */
  serveByBody(request: EdgeRequest, match: RouteMatch): void {
    this.#readBody(request, 'guild', null, (body) => this.#forwardByBody(request, match, body));
  }

  #forwardByBody(request: EdgeRequest, match: RouteMatch, body: Buffer): void {
    const { owners, onDone } = this.#options;
    let guild: GuildOfRequest;
    try {
      const json = (): unknown => JSON.parse(body.toString('utf8'));
      guild = guildOfRequest(match, { query: '', header: () => undefined, json });
    } catch {
      sendError(request, 400, 'the body is not JSON');
      onDone(request, 'guild', null);
      return;
    }
    if (guild.kind === 'invalid' || guild.kind === 'unknown') {
      const { status, why, headers, route } = refuseGuild(guild);
      sendError(request, status, why, headers);
      onDone(request, route, null);
      return;
    }
    const guildId = guild.kind === 'guild' ? guild.guildId : null;
    const anyPod = guildId === null && isAnyPods(match, request.method);
    const streams = match.rule.stream === true;
    this.#forward(request, { guildId, anyPod, streams }, owners.podFor(guildId, anyPod), body);
  }

  #readBody(request: EdgeRequest, route: RouteKind, pod: Upstream | null, then: (body: Buffer) => void): void {
    request.readBody(MAX_LINK_BODY, 'other', pod?.ordinal ?? null).then(then, (error: GuildwayError) => {
      refuseBody(request, error);
      this.#options.onDone(request, route, null);
    });
  }

  /** Sends a request to its pod, and the response back. @param body null: it streams from the client */
  #forward(request: EdgeRequest, route: Route, pod: Upstream, body: Buffer | null): void {
    const { owners, requestTimeoutMs, headersFor } = this.#options;
    const { method, url, fields, startedAt, stream } = request;
    const deadlineAt = after(startedAt, requestTimeoutMs);
    const isPage = requestTimeoutMs > PAGE_PATIENCE_MS && wantsHtml(request);
    // A body that streams is sent once. Other requests may arrive twice if their method or their key allows it.
    const repeatable =
      body !== null && (SAFE_METHODS.has(method) || fieldValue(fields, 'idempotency-key') !== undefined);
    const forwarded = new ForwardedRequest(pod.ordinal, {
      method,
      target: url,
      headers: headersFor(request),
      body: body ?? EMPTY,
      upload: body === null ? stream : null,
      transport: route.streams ? 'plain' : 'link',
      whole: stream === null,
      deadlineAt,
      attemptsUntil: isPage ? after(startedAt, PAGE_PATIENCE_MS) : deadlineAt,
      anyPod: route.anyPod,
      repeatable: repeatable ? 'always' : 'never',
    });
    owners.dispatch(forwarded, new RoutedResponse(request, forwarded, route, this.#options));
    request.onGone(forwarded);
  }
}
