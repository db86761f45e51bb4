import type { GatewayResponse, HeaderList } from '../../link/message.ts';
import { type PodStatement, podStatement } from '../../protocol/pod-statement.ts';
import { type AttemptHandler, type Dispatcher, PassThrough, type ResponseFlow } from './dispatcher.ts';
import type { ForwardedRequest } from './forwarded-request.ts';
import { podError } from './pod-error.ts';

/** A pod's statement that the request has to go elsewhere, or has to be sent again. */
type NotHere = Extract<PodStatement, { kind: 'refused' | 'redirect' }>;

/** Tells a pod's own statements from responses: a refusal becomes an error, a redirect a call of `onRedirect`. */
export class PodStatements implements Dispatcher<AttemptHandler> {
  readonly #next: Dispatcher;

  constructor(next: Dispatcher) {
    this.#next = next;
  }

  dispatch(request: ForwardedRequest, handler: AttemptHandler): void {
    this.#next.dispatch(request, new StatementHandler(request, handler));
  }
}

class StatementHandler extends PassThrough<AttemptHandler> {
  readonly #request: ForwardedRequest;
  /** The handler gets this at the end of the response, and nothing of the response itself. */
  #notHere: NotHere | null = null;
  #status = 0;

  constructor(request: ForwardedRequest, handler: AttemptHandler) {
    super(handler);
    this.#request = request;
  }

  override onResponse(response: GatewayResponse): void {
    const notHere = notHereOf(response.status, response.headers);
    if (notHere === null) this.handler.onResponse(response);
    else this.#tell(response.status, notHere);
  }

  override onHead(status: number, headers: HeaderList, flow: ResponseFlow): void {
    this.#status = status;
    // A body that has begun to stream cannot be sent again. The client gets the statement, and knows that nothing was done.
    if (this.#request.upload === null) this.#notHere = notHereOf(status, headers);
    if (this.#notHere === null) this.handler.onHead(status, headers, flow);
  }

  override onBody(chunk: Buffer): boolean {
    return this.#notHere !== null || this.handler.onBody(chunk);
  }

  override onEnd(): void {
    if (this.#notHere === null) this.handler.onEnd();
    else this.#tell(this.#status, this.#notHere);
  }

  #tell(status: number, statement: NotHere): void {
    if (statement.kind === 'redirect') this.handler.onRedirect(statement);
    else {
      const code = status === 503 ? 'LINK_UNAVAILABLE' : 'LINK_REFUSED';
      this.handler.onError(podError(this.#request.pod, code, 'not-sent', statement.why));
    }
  }
}

function notHereOf(status: number, headers: HeaderList): NotHere | null {
  const statement = podStatement(status, headers);
  return statement?.kind === 'refused' || statement?.kind === 'redirect' ? statement : null;
}
