import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Config } from '../config.ts';
import { errorCode, type GuildwayError } from '../errors.ts';
import { type GatewayResponse, HEADER, type HeaderList } from '../link/message.ts';
import type { Logger } from '../observability/log.ts';
import { declaredLength } from './body.ts';
import type { Call, Outcome, RouteInit } from './forward/call.ts';
import { forwardStream } from './forward/stream.ts';
import type { Upstream } from './forward/upstream.ts';
import type { Repeatable } from './policy/retry.ts';
import { refuseBody, sendAnswer, sendError } from './reply.ts';

const EMPTY = Buffer.alloc(0);
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

export interface RoutedRequestOptions {
  readonly config: Config;
  readonly log: Logger;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  readonly headers: HeaderList;
  /** Null: there is none, or it streams. */
  readonly body: Buffer | null;
  readonly streams: boolean;
  readonly deadlineAt: number;
  /** Called once: the ordinal of the pod that answered, or null. */
  readonly done: (pod: number | null) => void;
}

/** A client's request that goes to a gateway pod: what is sent, and how the client gets what comes back. */
export class RoutedRequest implements RouteInit {
  readonly method: string;
  readonly headers: HeaderList;
  readonly body: Buffer;
  readonly deadlineAt: number;
  readonly repeatable: Repeatable;
  readonly streams: boolean;
  readonly #options: RoutedRequestOptions;

  constructor(options: RoutedRequestOptions) {
    const { request, body } = options;
    this.#options = options;
    this.method = request.method as string;
    this.headers = options.headers;
    this.body = body ?? EMPTY;
    this.deadlineAt = options.deadlineAt;
    this.streams = options.streams;
    // A body that has begun to stream is gone. What else may arrive twice: by its method, or because the owner recognises it.
    const uploads = body === null && declaredLength(request) !== 0;
    const safe = SAFE_METHODS.has(this.method) || request.headers['idempotency-key'] !== undefined;
    this.repeatable = safe && !uploads ? 'always' : 'never';
  }

  /** Cancels the call when the client goes away before its answer. */
  follow(call: Call): void {
    const { response } = this.#options;
    // Not `once`, which costs more: a response closes once.
    response.on('close', () => {
      if (!response.writableFinished) call.cancel();
    });
  }

  overPlain(upstream: Upstream, _path: string, timeoutMs: number): Promise<Outcome> {
    const { config, headers, body, request, response, requestId } = this.#options;
    const { maxBodyBytes, name: httpPod } = config;
    return forwardStream({ upstream, request, response, body, headers, maxBodyBytes, timeoutMs, httpPod, requestId });
  }

  onAnswer(pod: number, answer: GatewayResponse | null): void {
    const { response, config, requestId, done } = this.#options;
    if (answer !== null) sendAnswer(response, answer, { pod, httpPod: config.name, requestId });
    done(pod);
  }

  onFailure(error: GuildwayError): void {
    const { request, response, requestId, log, done } = this.#options;
    sendFailure(error, request, response, requestId, log);
    done(null);
  }
}

/** Tells the caller what is known of a request that was not answered. */
export function sendFailure(
  error: GuildwayError,
  request: IncomingMessage,
  response: ServerResponse,
  requestId: string,
  log: Logger,
): void {
  const own = [HEADER.requestId, requestId];
  const code = errorCode(error);
  if (code === 'CANCELLED' || code === 'BODY_TOO_LARGE' || code === 'OVERLOADED') {
    refuseBody(response, error, own);
    return;
  }
  log.warn({ request: requestId, err: error }, 'the owner did not answer');
  if (code === 'TOPOLOGY_MISMATCH') sendError(response, 502, error.message, own);
  else if (code === 'REQUEST_INVALID') sendError(response, 400, error.message, own);
  else if (error.facts.sent === true && !SAFE_METHODS.has(request.method as string)) {
    sendError(response, 502, 'the owner of this guild did not answer; the request may have been carried out', own);
  } else sendError(response, 503, 'the owner of this guild is away; nothing was done', [...own, 'retry-after', '1']);
}
