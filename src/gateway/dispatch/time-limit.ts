import { GuildwayError } from '../../errors.ts';
import type { Duration } from '../../time.ts';

/**
 * Bounds how long a handler is waited for. One that never returns would otherwise be kept, with everything it holds, until the
 * process ends. It cannot be stopped; its signal tells it that its caller has given up.
 */
export class TimeLimit {
  readonly #limitMs: Duration;
  #controller: AbortController | null = null;
  #passed = false;

  constructor(limitMs: Duration) {
    this.#limitMs = limitMs;
  }

  /** Aborts when the limit has passed. Made only when it is asked for. */
  readonly signal = (): AbortSignal => {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#passed) this.#controller.abort();
    }
    return this.#controller.signal;
  };

  /** Resolves or rejects as `work` does. @throws GuildwayError DEADLINE_EXCEEDED when it has done neither in time */
  within<Result>(work: Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#passed = true;
        this.#controller?.abort();
        reject(new GuildwayError('DEADLINE_EXCEEDED', `the handler has not returned within ${this.#limitMs} ms`));
      }, this.#limitMs).unref();
      work.then(
        (result) => {
          clearTimeout(timer);
          resolve(result);
        },
        (error: unknown) => {
          clearTimeout(timer);
          reject(error);
        },
      );
    });
  }
}
