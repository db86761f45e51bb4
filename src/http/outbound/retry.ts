import { DispatchError } from '../../errors.ts';
import { fullJitter } from '../../link/backoff.ts';
import type { GatewayResponse, HeaderList } from '../../link/message.ts';
import { type Duration, remaining } from '../../time.ts';
import type { Dispatcher, ResponseFlow, ResponseHandler, Upgraded } from './dispatcher.ts';
import type { ForwardedRequest } from './forwarded-request.ts';
import type { RetryBudget } from './retry-budget.ts';
import { mayTryAgain } from './retry-policy.ts';
import type { Upstream } from './upstream.ts';

const RETRY_CAP_MS = 500;
/** An attempt that starts with less time left cannot succeed. */
const LEAST_MS = 5;

export interface RetryOptions {
  /** By ordinal. */
  readonly pods: readonly Pick<Upstream, 'ordinal' | 'linked' | 'live' | 'breaker'>[];
  readonly budget: RetryBudget;
  readonly baseMs: Duration;
  /** Called for each retry that takes from the budget. @param pod the ordinal of the pod that is asked again */
  readonly onRetry: (pod: number) => void;
  readonly next: Dispatcher;
}

/** Retries a request if that is safe, until its deadline. */
export class Retry implements Dispatcher {
  readonly #options: RetryOptions;

  constructor(options: RetryOptions) {
    this.#options = options;
  }

  dispatch(request: ForwardedRequest, handler: ResponseHandler): void {
    this.#options.budget.earn();
    this.#options.next.dispatch(request, new RetryHandler(this.#options, request, handler));
  }
}

class RetryHandler implements ResponseHandler {
  readonly #handler: ResponseHandler;
  readonly #options: RetryOptions;
  readonly #request: ForwardedRequest;
  #attempt = 0;
  /** True if an attempt had the outcome `unknown`. The outcome of the request is then unknown, regardless of later attempts. */
  #sentEver = false;
  /** True if the handler has the head of a response, which cannot be undone. */
  #begun = false;

  constructor(options: RetryOptions, request: ForwardedRequest, handler: ResponseHandler) {
    this.#handler = handler;
    this.#options = options;
    this.#request = request;
  }

  onResponse(response: GatewayResponse): void {
    this.#handler.onResponse(response);
  }

  onHead(status: number, headers: HeaderList, flow: ResponseFlow): void {
    this.#begun = true;
    this.#handler.onHead(status, headers, flow);
  }

  onBody(chunk: Buffer): boolean {
    return this.#handler.onBody(chunk);
  }

  onEnd(): void {
    this.#handler.onEnd();
  }

  onUpgrade(opened: Upgraded): void {
    this.#handler.onUpgrade?.(opened);
  }

  onError(error: DispatchError): void {
    const sentNow = error.outcome === 'unknown';
    this.#sentEver ||= sentNow;
    const waitMs = this.#begun ? null : this.#waitBeforeRetry(error, sentNow);
    if (waitMs !== null) setTimeout(() => this.#options.next.dispatch(this.#request, this), waitMs);
    else if (this.#sentEver === sentNow) this.#handler.onError(error);
    else {
      const { code, message, facts } = error;
      this.#handler.onError(new DispatchError(code, 'unknown', message, { cause: error, facts }));
    }
  }

  /** The delay before a retry; null if there must not be one. */
  #waitBeforeRetry({ code }: DispatchError, sentNow: boolean): Duration | null {
    const { budget, baseMs, onRetry } = this.#options;
    const request = this.#request;
    const { attemptsUntil, anyPod, repeatable: mode } = request.init;
    const repeatable = mode === 'always' || (mode === 'at-our-pods' && this.#pod?.linked === true);
    const again = request.cancelled ? 'no' : mayTryAgain({ code, sentNow, sentEver: this.#sentEver, repeatable });
    if (again === 'no') return null;
    if (anyPod) request.pod = anotherPod(this.#options.pods, request.pod)?.ordinal ?? request.pod;
    const waitMs = (this.#pod?.breaker.pauseMs ?? 0) + fullJitter(this.#attempt++, baseMs, RETRY_CAP_MS);
    if (remaining(attemptsUntil) <= waitMs + LEAST_MS) return null;
    if (again === 'costs') {
      if (!budget.spend()) return null;
      onRetry(request.pod);
    }
    return waitMs;
  }

  get #pod(): RetryOptions['pods'][number] | undefined {
    return this.#options.pods[this.#request.pod];
  }
}

/** Another pod for the request. @param failed the ordinal of the pod that failed */
export const anotherPod = <Pod extends Pick<Upstream, 'ordinal' | 'live'>>(
  pods: readonly Pod[],
  failed: number,
): Pod | undefined => pods.find((pod) => pod.ordinal !== failed && pod.live);
