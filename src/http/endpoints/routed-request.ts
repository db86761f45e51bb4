import { DispatchError, errorCode, type GuildwayError } from '../../errors.ts';
import type { GatewayResponse, HeaderList } from '../../link/message.ts';
import type { ThrottledLog } from '../../observability/throttled-log.ts';
import { after, type Duration, type MonotonicTime } from '../../time.ts';
import type { EdgeRequest } from '../inbound/edge-request.ts';
import { fieldValue, type RequestHeaders } from '../inbound/headers.ts';
import { refuseBody, sendAnswer, sendError, wantsHtml } from '../inbound/reply.ts';
import type { RouteKind } from '../metrics.ts';
import type { Outcome, RouteInit } from '../outbound/call.ts';
import type { Repeatable } from '../outbound/retry.ts';
import type { Upstream } from '../outbound/upstream.ts';
import { routeOf } from './classify.ts';

const EMPTY = Buffer.alloc(0);
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
/** A person in front of a browser sees within 3 s what is wrong: attempts to reach a pod that is away end after this. */
const PAGE_PATIENCE_MS = 2_000;

/** What all routed requests of a pod share. */
export interface RoutedRequestOptions {
  readonly requestTimeoutMs: Duration;
  /** This pod's name. */
  readonly httpPod: string;
  readonly headersFor: RequestHeaders;
  readonly log: ThrottledLog;
  /** Called once for each: the pod that answered, or null. */
  readonly done: (request: EdgeRequest, route: RouteKind, pod: number | null) => void;
}

/** Where a request goes. */
export interface Route {
  /** Null: no guild. */
  readonly guildId: string | null;
  /** Any pod may answer it. */
  readonly anyPod: boolean;
  /** Request or response stream: over plain HTTP even where there is a link. */
  readonly streams: boolean;
}

/** A client's request that goes to a gateway pod: what is sent, and how the client gets what comes back. */
export class RoutedRequest implements RouteInit {
  readonly method: string;
  readonly headers: HeaderList;
  readonly body: Buffer;
  readonly deadlineAt: MonotonicTime;
  readonly attemptsUntil: MonotonicTime;
  readonly repeatable: Repeatable;
  readonly streams: boolean;
  readonly anyPod: boolean;
  readonly #request: EdgeRequest;
  readonly #route: Route;
  /** Null: the body streams. */
  readonly #body: Buffer | null;
  readonly #options: RoutedRequestOptions;

  /** @param body null: it streams from the client */
  constructor(request: EdgeRequest, route: Route, body: Buffer | null, options: RoutedRequestOptions) {
    this.#request = request;
    this.#route = route;
    this.#body = body;
    this.#options = options;
    const { method, fields, startedAt } = request;
    const { requestTimeoutMs } = options;
    this.method = method;
    this.headers = options.headersFor(request);
    this.body = body ?? EMPTY;
    this.deadlineAt = after(startedAt, requestTimeoutMs);
    const isPage = requestTimeoutMs > PAGE_PATIENCE_MS && wantsHtml(request);
    this.attemptsUntil = isPage ? after(startedAt, PAGE_PATIENCE_MS) : this.deadlineAt;
    this.streams = route.streams;
    this.anyPod = route.anyPod;
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
    done(this.#request, routeOf(this.#route.guildId), pod);
  }

  onFailure(error: GuildwayError): void {
    const { log, done } = this.#options;
    sendFailure(error, this.#request, log, this.#route);
    done(this.#request, routeOf(this.#route.guildId), null);
  }
}

/** Who has not answered, in the words for a client. */
function missingPod({ guildId, anyPod }: Pick<Route, 'guildId' | 'anyPod'>): string {
  if (guildId !== null) return 'the owner of this guild';
  return anyPod ? 'every gateway pod that could answer this' : 'the gateway pod for requests without a guild';
}

/** Tells the client what is known of a request that was not answered. */
function sendFailure(
  error: GuildwayError,
  request: EdgeRequest,
  log: ThrottledLog,
  route: Pick<Route, 'guildId' | 'anyPod'>,
): void {
  const code = errorCode(error);
  if (code === 'CANCELLED' || code === 'BODY_TOO_LARGE' || code === 'OVERLOADED') {
    refuseBody(request, error);
    return;
  }
  if (code === 'REQUEST_INVALID') {
    sendError(request, 400, error.message);
    return;
  }
  const pod = missingPod(route);
  log.warn({ request: request.id, err: error }, 'no gateway pod answered');
  if (code === 'TOPOLOGY_MISMATCH') sendError(request, 502, error.message);
  else if (error instanceof DispatchError && error.outcome === 'unknown' && !SAFE_METHODS.has(request.method)) {
    sendError(request, 502, `${pod} did not answer; the request may have been carried out`);
  } else sendError(request, 503, `${pod} is away; nothing was done`, ['retry-after', '1']);
}
