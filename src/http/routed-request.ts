import { errorCode, type GuildwayError } from '../errors.ts';
import type { GatewayResponse, HeaderList } from '../link/message.ts';
import type { SeldomLog } from '../observability/seldom-log.ts';
import { after, type Duration, type MonotonicTime } from '../time.ts';
import type { EdgeRequest } from './edge-request.ts';
import type { Outcome, RouteInit } from './forward/call.ts';
import type { Upstream } from './forward/upstream.ts';
import { fieldValue, type RequestHeaders } from './headers.ts';
import type { RouteKind } from './metrics.ts';
import type { Repeatable } from './policy/retry.ts';
import { refuseBody, sendAnswer, sendError } from './reply.ts';

const EMPTY = Buffer.alloc(0);
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** What all routed requests of a pod share. */
export interface RoutedRequestOptions {
  readonly requestTimeoutMs: Duration;
  /** This pod's name. */
  readonly httpPod: string;
  readonly headersFor: RequestHeaders;
  readonly log: SeldomLog;
  /** Called once for each: the pod that answered, or null. */
  readonly done: (request: EdgeRequest, route: RouteKind, pod: number | null) => void;
}

/** A client's request that goes to a gateway pod: what is sent, and how the client gets what comes back. */
export class RoutedRequest implements RouteInit {
  readonly method: string;
  readonly headers: HeaderList;
  readonly body: Buffer;
  readonly deadlineAt: MonotonicTime;
  readonly repeatable: Repeatable;
  readonly streams: boolean;
  readonly #request: EdgeRequest;
  readonly #route: RouteKind;
  /** Null: the body streams. */
  readonly #body: Buffer | null;
  readonly #options: RoutedRequestOptions;

  /** @param body null: it streams from the client */
  constructor(
    request: EdgeRequest,
    route: RouteKind,
    body: Buffer | null,
    streams: boolean,
    options: RoutedRequestOptions,
  ) {
    this.#request = request;
    this.#route = route;
    this.#body = body;
    this.#options = options;
    const { method, fields } = request;
    this.method = method;
    this.headers = options.headersFor(request);
    this.body = body ?? EMPTY;
    this.deadlineAt = after(request.startedAt, options.requestTimeoutMs);
    this.streams = streams;
    // A body that has begun to stream is gone. What else may arrive twice: by its method, or because the owner recognises it.
    const safe = SAFE_METHODS.has(method) || fieldValue(fields, 'idempotency-key') !== undefined;
    this.repeatable = safe && body !== null ? 'always' : 'never';
  }

  overPlain(upstream: Upstream, _path: string, timeoutMs: Duration): Promise<Outcome> {
    return this.#request.overPlain(upstream, this.headers, this.#body, timeoutMs);
  }

  onAnswer(pod: number, answer: GatewayResponse | null): void {
    const { httpPod, done } = this.#options;
    if (answer !== null) sendAnswer(this.#request, answer, pod, httpPod);
    done(this.#request, this.#route, pod);
  }

  onFailure(error: GuildwayError): void {
    const { log, done } = this.#options;
    sendFailure(error, this.#request, log);
    done(this.#request, this.#route, null);
  }
}

/** Tells the caller what is known of a request that was not answered. */
export function sendFailure(error: GuildwayError, request: EdgeRequest, log: SeldomLog): void {
  const code = errorCode(error);
  if (code === 'CANCELLED' || code === 'BODY_TOO_LARGE' || code === 'OVERLOADED') {
    refuseBody(request, error);
    return;
  }
  log.warn({ request: request.id, err: error }, 'the owner did not answer');
  if (code === 'TOPOLOGY_MISMATCH') sendError(request, 502, error.message);
  else if (code === 'REQUEST_INVALID') sendError(request, 400, error.message);
  else if (error.facts.sent === true && !SAFE_METHODS.has(request.method)) {
    sendError(request, 502, 'the owner of this guild did not answer; the request may have been carried out');
  } else sendError(request, 503, 'the owner of this guild is away; nothing was done', ['retry-after', '1']);
}
