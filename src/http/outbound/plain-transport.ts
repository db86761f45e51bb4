import type { LookupFunction } from 'node:net';
import { Pool, type Dispatcher as Undici } from 'undici';
import { signPlainRequest } from '../../link/auth.ts';
import { MAX_HEAD } from '../../link/frames.ts';
import { HEADER } from '../../link/message.ts';
import { type Duration, remaining } from '../../time.ts';
import { AttemptState } from './attempt-state.ts';
import type { Dispatcher, ResponseFlow, ResponseHandler } from './dispatcher.ts';
import type { Attempt, ForwardedRequest } from './forwarded-request.ts';
import { notAStatus } from './pod-error.ts';
import { WholeResponse } from './whole-response.ts';

/** The limit of the link, plus the headers that pods add. */
const MAX_RESPONSE_HEADER_BYTES = MAX_HEAD + 4 * 1024;

export interface PlainTransportOptions {
  readonly ordinal: number;
  readonly url: string;
  /** LINK_SECRET. Null: requests carry no proof. */
  readonly secret: string | null;
  readonly connectTimeoutMs: Duration;
  readonly lookup: LookupFunction;
  /** Called after each connection attempt. */
  readonly onConnection: (made: boolean) => void;
}

/** Sends requests over plain HTTP. Bodies stream both ways with backpressure. */
export class PlainTransport implements Dispatcher {
  readonly #options: Pick<PlainTransportOptions, 'ordinal' | 'secret'>;
  readonly #pool: Pool;

  constructor(options: PlainTransportOptions) {
    const { url, connectTimeoutMs, lookup, onConnection } = options;
    this.#options = options;
    this.#pool = new Pool(url, {
      // One connection for each concurrent request: an event stream keeps its connection for hours and must not block other requests.
      connections: null,
      connect: { timeout: connectTimeoutMs, lookup } as object,
      allowH2: false,
      maxHeaderSize: MAX_RESPONSE_HEADER_BYTES,
      bodyTimeout: 0,
      headersTimeout: 0,
    });
    this.#pool.on('connect', () => onConnection(true));
    this.#pool.on('connectionError', () => onConnection(false));
  }

  dispatch(request: ForwardedRequest, handler: ResponseHandler): void {
    const { ordinal, secret } = this.#options;
    const { method, target, headers, body, upload, whole, deadlineAt } = request.init;
    const timeoutMs = remaining(deadlineAt);
    const attempt = new PlainAttempt(
      ordinal,
      request,
      whole ? new WholeResponse(request, handler) : handler,
      timeoutMs,
    );
    request.attemptedBy(attempt, 0);
    this.#pool.dispatch(
      {
        method: method as 'GET',
        path: target,
        headers: [...headers, ...plainHeaders({ ordinal, secret }, method, target, timeoutMs)],
        body: upload?.read(attempt.startTimer) ?? (body.length === 0 ? null : body),
      } as Undici.DispatchOptions,
      attempt,
    );
  }

  /** Ends all connections at once. */
  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}

/** Headers that a plain request to a pod needs in addition to its own: its deadline, and the proof that it comes from a pod. */
export function plainHeaders(
  { ordinal, secret }: Pick<PlainTransportOptions, 'ordinal' | 'secret'>,
  method: string,
  target: string,
  timeoutMs: Duration,
): string[] {
  const list = [HEADER.deadlineMs, String(Math.max(1, Math.floor(timeoutMs)))];
  if (secret !== null) list.push(HEADER.auth, signPlainRequest(secret, ordinal, method, target));
  return list;
}

/** Header fields as an HTTP client reads them, names in lower case. */
export const headerList = (raw: readonly (string | Buffer)[]): string[] =>
  raw.map((part, i) => (i % 2 === 0 ? part.toString('latin1').toLowerCase() : part.toString('latin1')));

/** One request over plain HTTP. */
class PlainAttempt implements Undici.DispatchHandler, Attempt, ResponseFlow {
  readonly #ordinal: number;
  readonly #request: ForwardedRequest;
  readonly #handler: ResponseHandler;
  readonly #timeoutMs: Duration;
  readonly #state: AttemptState;
  #controller: Undici.DispatchController | null = null;
  /** The reason for an early end, which needs a connection. */
  #abortedBy: Error | null = null;
  readonly startTimer = (): void => {
    if (this.#state.is('queued', 'sent')) this.#state.startTimer(this.#timeoutMs, (late) => this.abort(late));
  };

  constructor(ordinal: number, request: ForwardedRequest, handler: ResponseHandler, timeoutMs: Duration) {
    this.#ordinal = ordinal;
    this.#request = request;
    this.#handler = handler;
    this.#state = new AttemptState(ordinal, handler);
    this.#timeoutMs = timeoutMs;
    // The server limits how long a client may take for its upload. The pod's time starts at the end of it.
    if (request.init.upload === null) this.startTimer();
  }

  cancel(): void {
    this.abort(this.#state.cancelled());
  }

  abort(error: Error): void {
    this.#abortedBy ??= error;
    if (!this.#state.is('over')) this.#controller?.abort(error);
  }

  /** Never after the end, when the connection may serve another request. */
  resume(): void {
    if (this.#state.is('responding')) this.#controller?.resume();
  }

  onRequestStart(controller: Undici.DispatchController): void {
    this.#controller = controller;
    if (this.#abortedBy === null) this.#state.enter('sent');
    else controller.abort(this.#abortedBy);
  }

  onResponseStart(controller: Undici.DispatchController, status: number): void {
    if (status < 200) return;
    if (!this.#request.init.whole) this.#state.stopTimer();
    if (status > 599) {
      this.abort(notAStatus(this.#ordinal, status));
      return;
    }
    this.#state.enter('responding');
    this.#handler.onHead(status, headerList(controller.rawHeaders as readonly (string | Buffer)[]), this);
  }

  onResponseData(controller: Undici.DispatchController, chunk: Buffer): void {
    if (!this.#handler.onBody(chunk)) controller.pause();
  }

  onResponseEnd(): void {
    if (this.#state.end()) this.#handler.onEnd();
  }

  onResponseError(_controller: Undici.DispatchController, cause: Error): void {
    this.#state.fail(cause);
  }
}
