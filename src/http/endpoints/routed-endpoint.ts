import type { GuildwayError } from '../../errors.ts';
import { MAX_LINK_BODY } from '../../link/message.ts';
import { type GuildOfRequest, guildOfRequest, isAnyPods, type RouteMatch } from '../../routing/route-table.ts';
import type { EdgeRequest } from '../inbound/edge-request.ts';
import { refuseBody, sendError } from '../inbound/reply.ts';
import type { RouteKind } from '../metrics/http-metrics.ts';
import { ForwardedRequest } from '../outbound/forwarded-request.ts';
import type { OwnerClient } from '../outbound/owner-client.ts';
import type { Upstream } from '../outbound/upstream.ts';
import { type Classified, refuseGuild, routeOf } from './classify.ts';
import { type Route, RoutedRequest, type RoutedRequestOptions } from './routed-request.ts';
import { RoutedResponse, type RoutedResponseOptions } from './routed-response.ts';

const EMPTY = Buffer.alloc(0);

export interface RoutedEndpointOptions extends RoutedRequestOptions, RoutedResponseOptions {
  readonly owners: OwnerClient;
}

/** Forwards pages and API calls to the owner of their guild. */
export class RoutedEndpoint {
  readonly #options: RoutedEndpointOptions;

  constructor(options: RoutedEndpointOptions) {
    this.#options = options;
  }

  /** Serves a request whose head determines its pod. */
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

  /** Forwards a request to its pod and the response to the client. @param body null if it streams from the client */
  #forward(request: EdgeRequest, route: Route, pod: Upstream, body: Buffer | null): void {
    const forwarded = new ForwardedRequest(pod.ordinal, new RoutedRequest(request, route, body, this.#options));
    this.#options.owners.dispatch(forwarded, new RoutedResponse(request, forwarded, route, this.#options));
    request.onGone(forwarded);
  }
}
