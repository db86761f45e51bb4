import type { DispatchError } from '../../errors.ts';
import type { LinkClient } from '../../link/client.ts';
import { type Duration, remaining } from '../../time.ts';
import type { Dispatcher, ResponseHandler } from './dispatcher.ts';
import type { ForwardedRequest } from './forwarded-request.ts';
import { cancelled, podError } from './pod-error.ts';

/** The transports to one pod. */
export interface Transports {
  /** Null: this pod has no link. */
  readonly link: Dispatcher | null;
  readonly plain: Dispatcher;
  readonly upgrade: Dispatcher;
}

/** Chooses the transport for a request. A request for the link waits until it is connected; all of them share one dial. */
export class Connect implements Dispatcher {
  readonly #link: LinkClient | null;
  readonly #over: Transports;

  constructor(link: LinkClient | null, over: Transports) {
    this.#link = link;
    this.#over = over;
  }

  dispatch(request: ForwardedRequest, handler: ResponseHandler): void {
    const { link, plain, upgrade } = this.#over;
    if (request.cancelled) handler.onError(cancelled(request.pod, 'not-sent'));
    else if (request.init.transport === 'upgrade') upgrade.dispatch(request, handler);
    else if (request.init.transport === 'plain' || this.#link === null || link === null)
      plain.dispatch(request, handler);
    else if (this.#link.state === 'ready') link.dispatch(request, handler);
    else if (this.#link.state === 'plain') plain.dispatch(request, handler);
    else {
      within(this.#link.connect(), remaining(request.init.attemptsUntil), request.pod).then(
        (kind) => {
          if (request.cancelled) handler.onError(cancelled(request.pod, 'not-sent'));
          else (kind === 'ready' ? link : plain).dispatch(request, handler);
        },
        (error: DispatchError) => handler.onError(error),
      );
    }
  }
}

/** A request waits for a connection until its last attempt may start. */
function within<T>(connected: Promise<T>, timeoutMs: Duration, pod: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = (): void => reject(podError(pod, 'LINK_UNAVAILABLE', 'not-sent', 'no connection in time'));
    const timer = setTimeout(late, Math.max(0, timeoutMs));
    connected.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
