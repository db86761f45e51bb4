import type { DispatchError } from '../../errors.ts';
import { type GatewayResponse, HEADER, type HeaderList, headerValue } from '../../link/message.ts';
import type { ThrottledLog } from '../../observability/throttled-log.ts';
import type { EdgeRequest } from '../inbound/edge-request.ts';
import { responseHeaders } from '../inbound/headers.ts';
import { refuseBody, sendAnswer, sendError } from '../inbound/reply.ts';
import type { RouteKind } from '../metrics/http-metrics.ts';
import type { ResponseFlow, ResponseHandler } from '../outbound/dispatcher.ts';
import type { ForwardedRequest } from '../outbound/forwarded-request.ts';
import { routeOf } from './classify.ts';
import { type Route, SAFE_METHODS } from './routed-request.ts';

/** Called once for each request, after its response, with the pod that handled it, or null. */
type OnDone = (request: EdgeRequest, route: RouteKind, pod: number | null) => void;

export interface RoutedResponseOptions {
  /** This pod's name. */
  readonly httpPod: string;
  readonly log: ThrottledLog;
  readonly onDone: OnDone;
}

/** Sends a gateway pod's response to the client, or an error. */
export class RoutedResponse implements ResponseHandler {
  readonly #request: EdgeRequest;
  readonly #forwarded: ForwardedRequest;
  readonly #route: Route;
  readonly #options: RoutedResponseOptions;
  /** The pod that is streaming its response. */
  #streamsFrom: number | null = null;

  constructor(request: EdgeRequest, forwarded: ForwardedRequest, route: Route, options: RoutedResponseOptions) {
    this.#request = request;
    this.#forwarded = forwarded;
    this.#route = route;
    this.#options = options;
  }

  onResponse(response: GatewayResponse): void {
    const { pod } = this.#forwarded;
    sendAnswer(this.#request, response, pod, this.#options.httpPod);
    this.#done(pod);
  }

  onHead(status: number, headers: HeaderList, flow: ResponseFlow): void {
    const { pod } = this.#forwarded;
    const list = responseHeaders(headers);
    const length = headerValue(headers, 'content-length');
    if (length !== undefined && status !== 204) list.push('content-length', length);
    list.push(HEADER.pod, String(pod), HEADER.httpPod, this.#options.httpPod, HEADER.requestId, this.#request.id);
    this.#request.stream?.begin(status, list, flow);
    this.#streamsFrom = pod;
  }

  onBody(chunk: Buffer): boolean {
    return this.#request.stream?.write(chunk) ?? true;
  }

  onEnd(): void {
    this.#request.stream?.end();
    this.#done(this.#streamsFrom);
  }

  onError(error: DispatchError): void {
    if (this.#streamsFrom === null) sendFailure(error, this.#request, this.#options.log, this.#route);
    else this.#request.stream?.cut();
    this.#done(this.#streamsFrom);
  }

  #done(pod: number | null): void {
    this.#options.onDone(this.#request, routeOf(this.#route.guildId), pod);
  }
}

/** Names the pod that did not respond, for the client. */
function missingPod({ guildId, anyPod }: Pick<Route, 'guildId' | 'anyPod'>): string {
  if (guildId !== null) return 'the owner of this guild';
  return anyPod ? 'every gateway pod that could answer this' : 'the gateway pod for requests without a guild';
}

/** Sends the client the error for a request without a response. */
function sendFailure(
  error: DispatchError,
  request: EdgeRequest,
  log: ThrottledLog,
  route: Pick<Route, 'guildId' | 'anyPod'>,
): void {
  const { code, message, outcome } = error;
  if (code === 'CANCELLED' || code === 'BODY_TOO_LARGE' || code === 'OVERLOADED') {
    refuseBody(request, error);
    return;
  }
  if (code === 'REQUEST_INVALID') {
    sendError(request, 400, message);
    return;
  }
  const pod = missingPod(route);
  log.warn({ request: request.id, err: error }, 'no gateway pod answered');
  if (code === 'TOPOLOGY_MISMATCH') sendError(request, 502, message);
  else if (outcome === 'unknown' && !SAFE_METHODS.has(request.method)) {
    sendError(request, 502, `${pod} did not answer; the request may have been carried out`);
  } else sendError(request, 503, `${pod} is away; nothing was done`, ['retry-after', '1']);
}
