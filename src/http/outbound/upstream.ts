import type { LookupFunction } from 'node:net';
import { DecoratorHandler, type Dispatcher, errors, Pool } from 'undici';
import { DispatchError, type ErrorCode, GuildwayError } from '../../errors.ts';
import { signPlainRequest } from '../../link/auth.ts';
import { LinkClient, type LinkClientOptions, type LinkState } from '../../link/client.ts';
import { MAX_HEAD, MAX_RESPONSE_BODY } from '../../link/frames.ts';
import { type GatewayRequest, type GatewayResponse, HEADER } from '../../link/message.ts';
import { type Duration, inMs, remaining } from '../../time.ts';
import type { Breaker } from './breaker.ts';
import { Reachability } from './reachability.ts';

export interface UpstreamOptions extends Omit<LinkClientOptions, 'secret' | 'onState'> {
  /** Null: plain HTTP only. */
  readonly secret: string | null;
  readonly breaker: Breaker;
  readonly lookup: LookupFunction;
}

/** What the link carries, and what pods add. */
const MAX_RESPONSE_HEADER_BYTES = MAX_HEAD + 4 * 1024;

/** One attempt over plain HTTP; undici carries it along as the request's `opaque`. */
export interface PlainAttempt {
  /** A connection was there and the request is being written to it: from now on it may have arrived. */
  begun: boolean;
}

/** Notes when a request begins to be written: error codes alone do not tell a failed dial from a lost connection. */
const noteBeginning: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) => {
  const attempt = (options as { opaque?: PlainAttempt }).opaque;
  return dispatch(options, attempt === undefined ? handler : new BeginningHandler(handler, attempt));
};

class BeginningHandler extends DecoratorHandler implements Dispatcher.DispatchHandler {
  readonly #attempt: PlainAttempt;
  readonly #handler: Dispatcher.DispatchHandler;

  constructor(handler: Dispatcher.DispatchHandler, attempt: PlainAttempt) {
    super(handler);
    this.#handler = handler;
    this.#attempt = attempt;
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#attempt.begun = true;
    this.#handler.onRequestStart?.(controller, context);
  }
}

/** One gateway pod as an HTTP pod sees it: the link, plain HTTP beside it, and whether it has been answering. */
export class Upstream {
  readonly ordinal: number;
  readonly url: string;
  readonly breaker: Breaker;
  readonly link: LinkClient | null;
  readonly plain: Dispatcher;
  readonly lookup: LookupFunction;
  readonly #secret: string | null;
  readonly #reachability: Reachability;

  constructor(options: UpstreamOptions) {
    const { secret, ordinal, url } = options;
    this.ordinal = ordinal;
    this.url = url;
    this.breaker = options.breaker;
    this.lookup = options.lookup;
    this.#secret = secret;
    const onState = (state: LinkState): void => {
      // A pod that has just proved its ordinal is alive; no probe is needed.
      if (state === 'ready') options.breaker.succeeded();
      // The link dials on its own; the requests that wait for it do not report its failures.
      else if (state === 'waiting') options.breaker.failed();
      // It was away before. A pod that is not ready gets no requests to find out by.
      else if (state === 'plain') void this.#reachability.probe();
    };
    this.link = secret === null ? null : new LinkClient({ ...options, secret, onState });
    this.#reachability = new Reachability({ url, timeoutMs: options.connectTimeoutMs, lookup: options.lookup });
    const pool = new Pool(url, {
      // As many as there are callers: an event stream keeps its connection for hours, and must not keep others waiting.
      connections: null,
      connect: { timeout: options.connectTimeoutMs, lookup: options.lookup } as object,
      allowH2: false,
      maxHeaderSize: MAX_RESPONSE_HEADER_BYTES,
      bodyTimeout: 0,
      headersTimeout: 0,
    });
    pool.on('connect', () => this.#reachability.note(true));
    pool.on('connectionError', () => this.#reachability.note(false));
    this.plain = pool.compose(noteBeginning);
  }

  /** Why it cannot be reached, in a sentence; null when it can. */
  get unreachable(): string | null {
    const where = `gateway pod ${this.ordinal} at ${this.url} is not reachable`;
    if (this.linked) return this.link?.state === 'ready' ? null : `${where} (${this.link?.state})`;
    if (this.#reachability.reachable === true) return null;
    return `${where} (${this.#reachability.reachable === null ? 'not tried yet' : 'connections are refused'})`;
  }

  /** Whether it can be reached and has been answering. */
  get live(): boolean {
    return this.breaker.closed && this.unreachable === null;
  }

  /** Finds out whether it can be reached, so that the first request need not wait. Rejects when a link cannot be made. */
  async open(): Promise<void> {
    if (this.link === null || (await this.link.connect()) === 'plain') await this.#reachability.probe();
  }

  /** Headers that a plain request to this pod needs beside its own. */
  plainHeaders(method: string, target: string, timeoutMs: Duration): string[] {
    const list = [HEADER.deadlineMs, String(Math.max(1, Math.floor(timeoutMs)))];
    if (this.#secret !== null) list.push(HEADER.auth, signPlainRequest(this.#secret, this.ordinal, method, target));
    return list;
  }

  /** Whether requests go over the link: there is one, and the pod does not say that it knows none. */
  get linked(): boolean {
    return this.link !== null && this.link.state !== 'plain';
  }

  /**
   * Waits until the link is ready, or until the pod turns out to speak only plain HTTP. All waiters share one dial.
   * @throws GuildwayError LINK_UNAVAILABLE, LINK_REFUSED
   */
  connect(timeoutMs: Duration): Promise<'ready' | 'plain'> {
    const { link } = this;
    if (link === null) return Promise.resolve('plain');
    if (link.state === 'ready' || link.state === 'plain') return Promise.resolve(link.state);
    return new Promise((resolve, reject) => {
      const late = (): void => reject(this.error('LINK_UNAVAILABLE', 'no connection in time', 'not-sent'));
      const timer = setTimeout(late, Math.max(0, timeoutMs));
      link
        .connect()
        .then(resolve, reject)
        .finally(() => clearTimeout(timer));
    });
  }

  /**
   * Sends one request to this pod, regardless of ownership.
   * @throws DispatchError
   */
  async request(request: GatewayRequest, timeoutMs: Duration): Promise<GatewayResponse> {
    const deadlineAt = inMs(timeoutMs);
    const kind = await this.connect(timeoutMs);
    if (kind === 'plain') return this.plainRequest(request, remaining(deadlineAt));
    return new Promise((resolve, reject) => {
      this.link?.send(request, deadlineAt, (error, response) =>
        response === null ? reject(error) : resolve(response),
      );
    });
  }

  /** {@link request} over plain HTTP. */
  async plainRequest({ method, target, headers, body }: GatewayRequest, timeoutMs: Duration): Promise<GatewayResponse> {
    const attempt: PlainAttempt = { begun: false };
    try {
      const response = await this.plain.request({
        opaque: attempt,
        method: method as 'GET',
        path: target,
        headers: [...headers, ...this.plainHeaders(method, target, timeoutMs)],
        body: body.length === 0 ? null : body,
        responseHeaders: 'raw',
        signal: AbortSignal.timeout(Math.max(1, Math.floor(timeoutMs))),
      });
      if (response.statusCode > 599) {
        response.body.destroy();
        throw this.noStatus(response.statusCode);
      }
      const list = (response.headers as unknown as (string | Buffer)[]).map((part, i) =>
        i % 2 === 0 ? String(part).toLowerCase() : part.toString('latin1'),
      );
      return { status: response.statusCode, headers: list, body: await readWhole(response.body) };
    } catch (cause) {
      throw cause instanceof GuildwayError ? cause : this.plainError(cause, attempt);
    }
  }

  /** A pod that says that it has done nothing, and did not look at the request, is a pod that is not there. */
  refusal(status: number, why: string): DispatchError {
    return this.error(status === 503 ? 'LINK_UNAVAILABLE' : 'LINK_REFUSED', why, 'not-sent');
  }

  /** Says of a failure of plain HTTP whether the request can have reached the pod, and whether it was the pod's at all. */
  plainError(cause: unknown, { begun }: PlainAttempt): DispatchError {
    const outcome = begun ? 'unknown' : 'not-sent';
    if (isBadArgument(cause)) return this.error('REQUEST_INVALID', (cause as Error).message, 'not-sent', cause);
    const { name, message } = cause as Error;
    if (name === 'TimeoutError') return this.error('DEADLINE_EXCEEDED', 'no response in time', outcome, cause);
    return this.error(begun ? 'LINK_LOST' : 'LINK_UNAVAILABLE', message, outcome, cause);
  }

  /** For a response that is none, of a server that is no pod. */
  noStatus(status: number): DispatchError {
    return this.error('LINK_PROTOCOL', `${status} is not an HTTP status`, 'unknown');
  }

  error(code: ErrorCode, why: string, outcome: DispatchError['outcome'], cause?: unknown): DispatchError {
    const { ordinal } = this;
    return new DispatchError(code, outcome, `gateway pod ${ordinal}: ${why}`, { cause, facts: { ordinal } });
  }

  async close(): Promise<void> {
    this.link?.close();
    this.#reachability.close();
    await this.plain.destroy();
  }
}

/** Arguments that an HTTP client refuses before it sends anything: the caller's request, not the pod, is what is wrong. */
function isBadArgument(cause: unknown): boolean {
  if (cause instanceof errors.InvalidArgumentError || cause instanceof errors.NotSupportedError) return true;
  return cause instanceof TypeError && String((cause as { code?: unknown }).code).startsWith('ERR_');
}

/** Reads a response that is to be held whole. @throws Error when it is larger than the link would carry */
async function readWhole(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    // Leaving the loop destroys the stream, and with it what has not been read.
    if (length > MAX_RESPONSE_BODY) throw new Error(`the response is larger than ${MAX_RESPONSE_BODY} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}
