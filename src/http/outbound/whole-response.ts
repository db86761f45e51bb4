import type { DispatchError } from '../../errors.ts';
import type { LinkHandler } from '../../link/client.ts';
import { MAX_RESPONSE_BODY } from '../../link/frames.ts';
import type { GatewayRequest, GatewayResponse, HeaderList } from '../../link/message.ts';
import type { MonotonicTime } from '../../time.ts';
import type { Dispatcher, ResponseFlow, ResponseHandler } from './dispatcher.ts';
import { ForwardedRequest } from './forwarded-request.ts';
import { podError } from './pod-error.ts';
import type { Repeatable } from './retry-policy.ts';

/** Collects a response that streams, up to what the link would carry. Its handler gets `onResponse` or `onError`. */
export class WholeResponse implements ResponseHandler {
  readonly #handler: LinkHandler;
  readonly #request: ForwardedRequest;
  readonly #chunks: Buffer[] = [];
  #length = 0;
  #status = 0;
  #headers: HeaderList = [];
  #flow: ResponseFlow | null = null;

  constructor(request: ForwardedRequest, handler: LinkHandler) {
    this.#request = request;
    this.#handler = handler;
  }

  onResponse(response: GatewayResponse): void {
    this.#handler.onResponse(response);
  }

  onHead(status: number, headers: HeaderList, flow: ResponseFlow): void {
    this.#status = status;
    this.#headers = headers;
    this.#flow = flow;
  }

  onBody(chunk: Buffer): boolean {
    this.#length += chunk.length;
    if (this.#length <= MAX_RESPONSE_BODY) this.#chunks.push(chunk);
    else {
      const why = `the response is larger than ${MAX_RESPONSE_BODY} bytes`;
      this.#flow?.abort(podError(this.#request.pod, 'LINK_LOST', 'unknown', why));
    }
    return true;
  }

  onEnd(): void {
    const body = Buffer.concat(this.#chunks, this.#length);
    this.#handler.onResponse({ status: this.#status, headers: this.#headers, body });
  }

  onError(error: DispatchError): void {
    this.#handler.onError(error);
  }
}

/** A whole response, and the ordinal of the pod that sent it. */
export interface Fetched {
  readonly response: GatewayResponse;
  readonly pod: number;
}

/**
 * {@link Dispatcher.dispatch} as a promise of the whole response.
 * @param pod ordinal of the pod that is asked
 * @throws DispatchError
 */
export function fetchWhole(
  dispatcher: Dispatcher,
  pod: number,
  { method, target, headers, body }: GatewayRequest,
  { deadlineAt, repeatable }: { readonly deadlineAt: MonotonicTime; readonly repeatable: Repeatable },
): Promise<Fetched> {
  return new Promise((resolve, reject) => {
    // Field by field: a spread is slower, and each interaction passes here.
    const request = new ForwardedRequest(pod, {
      method,
      target,
      headers,
      body,
      upload: null,
      transport: 'link',
      whole: true,
      deadlineAt,
      attemptsUntil: deadlineAt,
      anyPod: false,
      repeatable,
    });
    dispatcher.dispatch(request, new FetchHandler(request, resolve, reject));
  });
}

class FetchHandler implements ResponseHandler {
  readonly #request: ForwardedRequest;
  readonly #resolve: (fetched: Fetched) => void;
  readonly #reject: (error: DispatchError) => void;

  constructor(request: ForwardedRequest, resolve: (fetched: Fetched) => void, reject: (error: DispatchError) => void) {
    this.#request = request;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  onResponse(response: GatewayResponse): void {
    this.#resolve({ response, pod: this.#request.pod });
  }

  onError(error: DispatchError): void {
    this.#reject(error);
  }

  // A request with `whole` gets no parts of a response.
  onHead(): void {}
  onBody(): boolean {
    return true;
  }
  onEnd(): void {}
}
