import { GuildwayError } from '../../errors.ts';
import type { Duration } from '../../time.ts';

/**
 * Limits how long a handler may take. Without the limit, a handler that never returns would hold its memory until the process
 * ends. It cannot be stopped; its signal tells it that the client has given up.
 */
export class TimeLimit {
  readonly #limitMs: Duration;
  #controller: AbortController | null = null;
  #passed = false;

  constructor(limitMs: Duration) {
    this.#limitMs = limitMs;
  }

  /** Aborts when the time limit has passed. Created on first use. */
  readonly signal = (): AbortSignal => {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#passed) this.#controller.abort();
    }
    return this.#controller.signal;
  };

  /** Settles as `work` does. @throws GuildwayError DEADLINE_EXCEEDED after the time limit */
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
