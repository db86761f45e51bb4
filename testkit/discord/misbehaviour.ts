import { setTimeout as sleep } from 'node:timers/promises';

/** An injected response of the REST API. */
export interface InjectedAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

interface Fault {
  readonly route: string;
  remaining: number;
  readonly answer: InjectedAnswer;
}

/** Injects faults into the simulator. Routes have the names of `rest.requests`: `POST /channels/:channel/messages`. */
export class Misbehaviour {
  /** The delay of every REST response, in milliseconds. */
  slowMs = 0;
  /** The delay before an inline response takes effect, in milliseconds, so that a PATCH of `@original` can overtake it. */
  inlineDelayMs = 0;
  readonly #faults: Fault[] = [];
  readonly #stopped: AbortSignal;

  /** @param stopped ends every pause */
  constructor(stopped: AbortSignal) {
    this.#stopped = stopped;
  }

  /** The next request of a route gets a 429. `*` stands for any route. */
  rateLimit429Once(route: string, options: { retryAfterMs?: number; scope?: 'user' | 'shared' | 'global' } = {}): void {
    const seconds = (options.retryAfterMs ?? 1000) / 1000;
    const scope = options.scope ?? 'user';
    const global = scope === 'global';
    this.#faults.push({
      route,
      remaining: 1,
      answer: {
        status: 429,
        headers: {
          'retry-after': String(seconds),
          'x-ratelimit-scope': scope,
          ...(global ? { 'x-ratelimit-global': 'true' } : {}),
        },
        body: { message: 'You are being rate limited.', retry_after: seconds, global },
      },
    });
  }

  /** The next requests of a route fail with this status. `*` stands for any route. */
  fail(route: string, status: number, times = 1): void {
    this.#faults.push({
      route,
      remaining: times,
      answer: { status, headers: {}, body: { message: `${status}: injected`, code: 0 } },
    });
  }

  /** Takes the injected response for a route, if there is one. */
  take(route: string): InjectedAnswer | null {
    if (this.#faults.length === 0) return null;
    const index = this.#faults.findIndex((fault) => fault.route === route || fault.route === '*');
    const fault = this.#faults[index];
    if (fault === undefined) return null;
    fault.remaining--;
    if (fault.remaining <= 0) this.#faults.splice(index, 1);
    return fault.answer;
  }

  /** Removes all faults. */
  reset(): void {
    this.slowMs = 0;
    this.inlineDelayMs = 0;
    this.#faults.length = 0;
  }

  pending(): readonly { route: string; status: number; remaining: number }[] {
    return this.#faults.map(({ route, remaining, answer }) => ({ route, remaining, status: answer.status }));
  }

  async pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stopped, ref: false }).catch(() => {});
  }
}
