import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Dispatcher } from 'undici';
import { DispatchError, GuildwayError } from '../../errors.ts';
import { HEADER, type HeaderList, headerValue } from '../../link/message.ts';
import { podStatement } from '../../protocol/pod-statement.ts';
import type { Duration } from '../../time.ts';
import { bodyTooLarge } from '../inbound/body.ts';
import { responseHeaders } from '../inbound/headers.ts';
import type { Outcome } from './call.ts';
import type { Upstream } from './upstream.ts';

/** A body as it comes in, up to a limit. Nothing of it is read before its receiver asks for it. */
async function* upload(request: IncomingMessage, limit: number): AsyncGenerator<Buffer> {
  let length = 0;
  // Not the request itself: undici destroys it on the first error, and the client would get no answer.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > limit) throw bodyTooLarge(limit);
    yield chunk;
  }
}

interface ForwardOptions {
  readonly upstream: Upstream;
  readonly request: IncomingMessage;
  /** Path and query in their normal form: not the request's own. */
  readonly target: string;
  readonly response: ServerResponse;
  /** The body, where it has been read already. */
  readonly body: Buffer | null;
  /** It has a body that streams, and is sent once at most. */
  readonly streams: boolean;
  readonly headers: HeaderList;
  readonly maxBodyBytes: number;
  readonly timeoutMs: Duration;
  readonly httpPod: string;
  readonly requestId: string;
  /** Ends the connection of a client that has stopped reading. */
  readonly unread: { wrote(socket: Socket): void };
}

/**
 * Forwards a request over plain HTTP, bodies streaming both ways with backpressure: for what is large, is an event stream, or
 * goes to a pod that does not know the link. The response begins within `timeoutMs` and may then last.
 * @throws DispatchError, as long as nothing has gone out to the caller
 */
export function forwardStream(options: ForwardOptions): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const { upstream, request, target, streams, headers, timeoutMs } = options;
    const method = request.method as 'GET';
    const forward = new ForwardedStream(options, resolve, reject);
    upstream.plain.dispatch(
      {
        method,
        path: target,
        headers: [...headers, ...upstream.plainHeaders(method, target, timeoutMs)],
        body: streams ? upload(request, options.maxBodyBytes) : options.body,
      } as Dispatcher.DispatchOptions,
      forward,
    );
  });
}

/** One request on its way over plain HTTP: passes the response on as it comes. Settles once. */
class ForwardedStream implements Dispatcher.DispatchHandler {
  readonly #options: ForwardOptions;
  readonly #resolve: (outcome: Outcome) => void;
  readonly #reject: (error: GuildwayError) => void;
  #controller: Dispatcher.DispatchController | null = null;
  /** Why it is given up, until it can be. */
  #reason: Error | null = null;
  /** What becomes of it when the pod refuses it or names another owner: nothing of that response goes to the caller. */
  #instead: (() => void) | null = null;
  /** Something of the body has been passed on, or there is none. */
  #flows = false;
  #timer: NodeJS.Timeout | undefined;
  readonly #startTimer = (): void => {
    const late = (): void => this.#abort(new DOMException('no response in time', 'TimeoutError'));
    this.#timer = setTimeout(late, Math.max(1, this.#options.timeoutMs));
  };
  readonly #gone = (): void => {
    this.#abort(new DispatchError('CANCELLED', 'unknown', 'the client disconnected'));
  };
  readonly #resume = (): void => this.#controller?.resume();

  constructor(options: ForwardOptions, resolve: (outcome: Outcome) => void, reject: (error: GuildwayError) => void) {
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    // An upload may take as long as the server lets a client take for its body: the pod's time starts at its end.
    if (options.streams) options.request.once('end', this.#startTimer);
    else this.#startTimer();
    options.response.once('close', this.#gone);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#reason !== null) controller.abort(this.#reason);
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200) return;
    this.#stopTimer();
    const { upstream, response, streams } = this.#options;
    if (status > 599) {
      this.#abort(upstream.noStatus(status));
      return;
    }
    const raw = (controller.rawHeaders as readonly (string | Buffer)[]).map((part, i) =>
      i % 2 === 0 ? part.toString('latin1').toLowerCase() : part.toString('latin1'),
    );
    // What has begun to stream is gone: its sender gets the refusal or the redirect, and knows that nothing was done.
    if (!streams) {
      const statement = podStatement(status, raw);
      if (statement?.kind === 'redirect') this.#instead = () => this.#resolve({ redirect: statement });
      if (statement?.kind === 'refused') this.#instead = () => this.#reject(upstream.refusal(status, statement.why));
      if (this.#instead !== null) return;
    }
    // Now, and not when a stream ends that may last for hours.
    upstream.breaker.succeeded();
    response.writeHead(status, this.#headers(status, raw));
    response.on('drain', this.#resume);
    // Now, and not with the first event of a stream that may be long in coming; but with what is here already. `flushHeaders` would
    // write it as UTF-8.
    process.nextTick(() => this.#flows || response.write('', 'latin1'));
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#instead !== null) return;
    this.#flows = true;
    const { response, unread } = this.#options;
    if (response.write(chunk)) return;
    controller.pause();
    if (response.socket !== null) unread.wrote(response.socket);
  }

  onResponseEnd(): void {
    this.#settle();
    if (this.#instead !== null) {
      this.#instead();
      return;
    }
    this.#flows = true;
    this.#options.response.end();
    this.#resolve({ done: null });
  }

  onResponseError(_controller: Dispatcher.DispatchController, cause: Error): void {
    this.#settle();
    const { upstream, response } = this.#options;
    if (response.headersSent) {
      // Half a response cannot be taken back: the caller must see that it is one.
      response.destroy();
      this.#resolve({ done: null });
    } else if (cause instanceof GuildwayError) this.#reject(cause);
    // A connection was there and the request was being written to it once it had started: it may have arrived.
    else this.#reject(upstream.plainError(cause, { begun: this.#controller !== null }));
  }

  #headers(status: number, raw: HeaderList): string[] {
    const { upstream, httpPod, requestId } = this.#options;
    const list = responseHeaders(raw);
    const length = headerValue(raw, 'content-length');
    if (length !== undefined && status !== 204) list.push('content-length', length);
    list.push(HEADER.pod, String(upstream.ordinal), HEADER.httpPod, httpPod, HEADER.requestId, requestId);
    return list;
  }

  #abort(reason: Error): void {
    this.#reason ??= reason;
    this.#controller?.abort(reason);
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#options.request.off('end', this.#startTimer);
  }

  #settle(): void {
    this.#stopTimer();
    this.#options.response.off('close', this.#gone).off('drain', this.#resume);
  }
}
