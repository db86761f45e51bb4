import type { DispatchError } from '../errors.ts';
import type { Duration } from '../time.ts';

/** A dial after a backoff. All waiting requests share its result. */
export class Redial {
  /** The kind of the peer. */
  readonly result: Promise<'ready' | 'plain'>;
  readonly #timer: NodeJS.Timeout;
  readonly #reject: (error: DispatchError) => void;

  constructor(delayMs: Duration, dial: () => Promise<'ready' | 'plain'>) {
    const { promise, resolve, reject } = Promise.withResolvers<'ready' | 'plain'>();
    // A dial may have no waiting request, so its rejection must not be unhandled.
    promise.catch(() => {});
    this.result = promise;
    this.#reject = reject;
    this.#timer = setTimeout(() => resolve(dial()), delayMs).unref();
  }

  /** Prevents the dial. Waiting requests get the error. */
  cancel(error: DispatchError): void {
    clearTimeout(this.#timer);
    this.#reject(error);
  }
}
