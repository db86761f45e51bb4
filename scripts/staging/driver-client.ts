import type { Sample } from './load.ts';

export type { Sample } from './load.ts';

/** The run's side of driver.ts. */
export class Driver {
  readonly #url: () => string;

  /** @param url read for every call: a forwarded port may change */
  constructor(url: () => string) {
    this.#url = url;
  }

  /** Requests a second from now on. */
  async setRate(interactions: number, pages: number): Promise<void> {
    await this.#call('PUT', '/rate', { interactions, pages });
  }

  /** The time on the driver's clock, which samples are measured with. */
  async now(): Promise<number> {
    return ((await this.#call('GET', '/now')) as { now: number }).now;
  }

  async guilds(): Promise<string[]> {
    return (await this.#call('GET', '/guilds')) as string[];
  }

  async stats(): Promise<{ sessions: number; connections: number; violations: readonly unknown[] }> {
    return (await this.#call('GET', '/stats')) as { sessions: number; connections: number; violations: unknown[] };
  }

  /** Everything that was sent so far. */
  async samples(): Promise<Sample[]> {
    return (await this.#call('GET', '/samples')) as Sample[];
  }

  /** Waits until every answer has come, also those that were deferred. @returns how many have not */
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
