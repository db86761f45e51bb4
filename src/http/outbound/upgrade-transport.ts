import type { ClientRequest, IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { request as httpRequest } from '../../node-http.ts';
import { type Duration, remaining } from '../../time.ts';
import { AttemptState } from './attempt-state.ts';
import type { Dispatcher, ResponseFlow, ResponseHandler } from './dispatcher.ts';
import type { Attempt, ForwardedRequest } from './forwarded-request.ts';
import { headerList, type PlainTransportOptions, plainHeaders } from './plain-transport.ts';
import { notAStatus, plainError } from './pod-error.ts';

type UpgradeTransportOptions = Pick<PlainTransportOptions, 'ordinal' | 'url' | 'secret' | 'lookup'>;

/** Asks a pod to switch to the websocket protocol. Each request has its own connection. */
export class UpgradeTransport implements Dispatcher {
  readonly #options: UpgradeTransportOptions;

  constructor(options: UpgradeTransportOptions) {
    this.#options = options;
  }

  dispatch(request: ForwardedRequest, handler: ResponseHandler): void {
    const { ordinal, url } = this.#options;
    const { method, target, headers, deadlineAt } = request.init;
    const timeoutMs = remaining(deadlineAt);
    const start = url.startsWith('https:') ? httpsRequest : httpRequest;
    let outgoing: ClientRequest;
    try {
      outgoing = start(new URL(url), {
        agent: false,
        method,
        path: target,
        lookup: this.#options.lookup,
        headers: [
          ...headers,
          ...plainHeaders(this.#options, method, target, timeoutMs),
          ...['connection', 'upgrade', 'upgrade', 'websocket'],
        ],
      });
    } catch (cause) {
      // A header that Node does not send.
      handler.onError(plainError(ordinal, 'not-sent', cause));
      return;
    }
    const attempt = new UpgradeAttempt(ordinal, outgoing, handler, timeoutMs);
    request.attemptedBy(attempt, 0);
    outgoing.end();
  }
}

/** One request to switch protocols. The pod switches, or sends an ordinary response. */
class UpgradeAttempt implements Attempt, ResponseFlow {
  readonly #ordinal: number;
  readonly #outgoing: ClientRequest;
  readonly #handler: ResponseHandler;
  readonly #state: AttemptState;
  #response: IncomingMessage | null = null;

  constructor(ordinal: number, outgoing: ClientRequest, handler: ResponseHandler, timeoutMs: Duration) {
    this.#ordinal = ordinal;
    this.#outgoing = outgoing;
    this.#handler = handler;
    this.#state = new AttemptState(ordinal, handler);
    this.#state.startTimer(timeoutMs, (late) => this.abort(late));
    outgoing.once('socket', (socket) => socket.once('connect', () => this.#state.enter('sent')));
    outgoing.on('error', (cause) => this.#state.fail(cause));
    outgoing.once('upgrade', (response, socket, head) => this.#onUpgrade(response, socket, head));
    outgoing.once('response', (response) => this.#onResponse(response));
  }

  cancel(): void {
    this.abort(this.#state.cancelled());
  }

  abort(error: Error): void {
    if (!this.#state.is('over')) (this.#response ?? this.#outgoing).destroy(error);
  }

  resume(): void {
    this.#response?.resume();
  }

  #onUpgrade({ statusCode, rawHeaders }: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (!this.#state.end()) socket.destroy();
    else this.#handler.onUpgrade?.({ status: statusCode ?? 101, headers: headerList(rawHeaders), socket, head });
  }

  #onResponse(response: IncomingMessage): void {
    const { statusCode: status = 0, rawHeaders } = response;
    if (status > 599) {
      this.abort(notAStatus(this.#ordinal, status));
      return;
    }
    this.#state.stopTimer();
    this.#response = response;
    this.#state.enter('responding');
    this.#handler.onHead(status, headerList(rawHeaders), this);
    response.on('data', (chunk: Buffer) => {
      if (!this.#handler.onBody(chunk)) response.pause();
    });
    response.once('end', () => {
      if (this.#state.end()) this.#handler.onEnd();
    });
    response.on('error', (cause) => this.#state.fail(cause));
  }
}
