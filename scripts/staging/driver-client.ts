import type { Sample } from './load.ts';

export type { Sample } from './load.ts';

/** The client of driver.ts. */
export class Driver {
  readonly #url: () => string;

  /** @param url read for every call, because a forwarded port may change */
  constructor(url: () => string) {
    this.#url = url;
  }

  /** Sets the requests per second. */
  async setRate(interactions: number, pages: number): Promise<void> {
    await this.#call('PUT', '/rate', { interactions, pages });
  }

  /** The time on the driver's clock, which samples use. */
  async now(): Promise<number> {
    return ((await this.#call('GET', '/now')) as { now: number }).now;
  }

  async guilds(): Promise<string[]> {
    return (await this.#call('GET', '/guilds')) as string[];
  }

  async stats(): Promise<{ sessions: number; connections: number; violations: readonly unknown[] }> {
    return (await this.#call('GET', '/stats')) as { sessions: number; connections: number; violations: unknown[] };
  }

  /** All requests so far. */
  async samples(): Promise<Sample[]> {
    return (await this.#call('GET', '/samples')) as Sample[];
  }

  /** Waits for all responses, including completions of deferred ones. @returns the number of missing ones */
  async settle(timeoutMs: number): Promise<number> {
    return ((await this.#call('POST', '/settle', { timeoutMs })) as { unsettled: number }).unsettled;
  }

  async #call(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(this.#url() + path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`driver: ${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }
}
