import type { DispatchError } from '../../errors.ts';
import type { GatewayResponse, HeaderList } from '../../link/message.ts';
import { podStatement } from '../../protocol/pod-statement.ts';
import { type Duration, type MonotonicClock, type MonotonicTime, monotonicNow } from '../../time.ts';
import type { Dispatcher, ResponseFlow, ResponseHandler, Upgraded } from './dispatcher.ts';
import type { ForwardedRequest } from './forwarded-request.ts';
import { podError } from './pod-error.ts';
import { blamesPod } from './retry-policy.ts';

export type BreakerState = 'closed' | 'open' | 'half-open';

/**
 * Stops requests to a pod that has failed several times in a row. After a pause, one request passes as a probe: if it succeeds, the
 * breaker closes, else the pause starts again.
 */
export class Breaker {
  readonly #failures: number;
  readonly #openMs: Duration;
  readonly #now: MonotonicClock;
  #inARow = 0;
  #openedAt: MonotonicTime | null = null;
  #probing = false;

  constructor(options: { failures: number; openMs: Duration; now?: MonotonicClock }) {
    this.#failures = options.failures;
    this.#openMs = options.openMs;
    this.#now = options.now ?? monotonicNow;
  }

  get state(): BreakerState {
    if (this.#openedAt === null) return 'closed';
    return this.#now() - this.#openedAt >= this.#openMs ? 'half-open' : 'open';
  }

  /** Whether every request may pass. Reads no clock. */
  get closed(): boolean {
    return this.#openedAt === null;
  }

  /** Milliseconds until a probe may pass; 0 if one may pass now or has passed. */
  get pauseMs(): number {
    return this.#openedAt === null ? 0 : Math.max(0, this.#openedAt + this.#openMs - this.#now());
  }

  /** Whether a request may be sent now. In `half-open`, true means that it is the probe: report its outcome. */
  tryPass(): boolean {
    if (this.#openedAt === null) return true;
    if (this.#probing || this.#now() - this.#openedAt < this.#openMs) return false;
    this.#probing = true;
    return true;
  }

  succeeded(): void {
    this.#inARow = 0;
    this.#openedAt = null;
    this.#probing = false;
  }

  failed(): void {
    this.#inARow++;
    if (this.#openedAt !== null || this.#inARow >= this.#failures) this.#openedAt = this.#now();
    this.#probing = false;
  }

  /** The outcome says nothing about the pod, for example because the client disconnected. Another probe may pass. */
  undecided(): void {
    this.#probing = false;
  }
}

/** Sends a request if a pod's breaker lets it pass, and reports its outcome to the breaker. */
export class BreakerGuard implements Dispatcher {
  readonly #breaker: Breaker;
  readonly #next: Dispatcher;

  constructor(breaker: Breaker, next: Dispatcher) {
    this.#breaker = breaker;
    this.#next = next;
  }

  dispatch(request: ForwardedRequest, handler: ResponseHandler): void {
    if (this.#breaker.tryPass()) this.#next.dispatch(request, new BreakerHandler(this.#breaker, handler));
    else {
      const why = 'it has failed several times in a row; requests to it are paused';
      handler.onError(podError(request.pod, 'LINK_UNAVAILABLE', 'not-sent', why));
    }
  }
}

/** Reports once, on the head of a response, because a stream may last for hours. */
class BreakerHandler implements ResponseHandler {
  readonly #handler: ResponseHandler;
  readonly #breaker: Breaker;
  #reported = false;

  constructor(breaker: Breaker, handler: ResponseHandler) {
    this.#handler = handler;
    this.#breaker = breaker;
  }

  onResponse(response: GatewayResponse): void {
    this.#report(response.status, response.headers);
    this.#handler.onResponse(response);
  }

  onHead(status: number, headers: HeaderList, flow: ResponseFlow): void {
    this.#report(status, headers);
    this.#handler.onHead(status, headers, flow);
  }

  onUpgrade(opened: Upgraded): void {
    this.#report(opened.status, opened.headers);
    this.#handler.onUpgrade?.(opened);
  }

  onBody(chunk: Buffer): boolean {
    return this.#handler.onBody(chunk);
  }

  onEnd(): void {
    this.#handler.onEnd();
  }

  onError(error: DispatchError): void {
    if (!this.#reported) {
      if (blamesPod(error.code)) this.#breaker.failed();
      else this.#breaker.undecided();
    }
    this.#handler.onError(error);
  }

  /** A pod that refuses a request without a look at it is as good as away. */
  #report(status: number, headers: HeaderList): void {
    this.#reported = true;
    if (podStatement(status, headers)?.kind === 'refused') this.#breaker.failed();
    else this.#breaker.succeeded();
  }
}
