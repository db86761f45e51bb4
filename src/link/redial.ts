import type { DispatchError } from '../errors.ts';
import type { Duration } from '../time.ts';

/** A dial that starts after a pause. Every request that waits for it shares its result. */
export class Redial {
  /** What the peer turned out to be. */
  readonly result: Promise<'ready' | 'plain'>;
  readonly #timer: NodeJS.Timeout;
  readonly #reject: (error: DispatchError) => void;

  constructor(delayMs: Duration, dial: () => Promise<'ready' | 'plain'>) {
    const { promise, resolve, reject } = Promise.withResolvers<'ready' | 'plain'>();
    // Not every dial has a request that waits for it.
    promise.catch(() => {});
    this.result = promise;
    this.#reject = reject;
    this.#timer = setTimeout(() => resolve(dial()), delayMs).unref();
  }

  /** The dial does not start. Requests that wait for it get the error. */
  cancel(error: DispatchError): void {
    clearTimeout(this.#timer);
    this.#reject(error);
  }
}
