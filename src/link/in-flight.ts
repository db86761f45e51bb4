import { GuildwayError } from '../errors.ts';
import type { GatewayResponse } from './message.ts';

/** Called once per request: with an error or with the response. It must not throw. */
export type Done = (error: GuildwayError | null, response: GatewayResponse | null) => void;

interface Entry {
  readonly done: Done;
  readonly deadlineAt: number;
}

/** How late a deadline may be noticed. */
const TICK_MS = 20;

/**
 * The requests of one connection that wait for an answer, by id. Deadlines are looked through every 20 ms as long as there
 * are any: a timer for each request would cost more than the rest of its way through here.
 */
export class InFlight {
  readonly #entries = new Map<number, Entry>();
  readonly #onDeadline: (id: number) => void;
  readonly #now: () => number;
  readonly #ids: { last: number };
  #timer: NodeJS.Timeout | null = null;

  /**
   * @param ids the last id that was given out; several connections may share it
   * @param onDeadline is told the id of a request that nobody waits for any more
   */
  constructor(ids: { last: number }, onDeadline: (id: number) => void, now: () => number = () => performance.now()) {
    this.#ids = ids;
    this.#onDeadline = onDeadline;
    this.#now = now;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Adds a request and returns its id, which no other request in flight has. */
  add(timeoutMs: number, done: Done): number {
    const ids = this.#ids;
    do ids.last = (ids.last + 1) >>> 0;
    while (ids.last === 0 || this.#entries.has(ids.last));
    this.#entries.set(ids.last, { done, deadlineAt: this.#now() + timeoutMs });
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref();
    return ids.last;
  }

  /** Takes a request out; its caller is then the one who calls `done`. Undefined when it was answered or given up before. */
  take(id: number): Done | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    this.#entries.delete(id);
    return entry.done;
  }

  /** Ends every request with the same error. */
  failAll(error: GuildwayError): void {
    const all = [...this.#entries.values()];
    this.#entries.clear();
    this.#stop();
    for (const { done } of all) done(error, null);
  }

  #tick(): void {
    if (this.#entries.size === 0) {
      this.#stop();
      return;
    }
    const now = this.#now();
    for (const [id, { done, deadlineAt }] of this.#entries) {
      if (deadlineAt > now) continue;
      this.#entries.delete(id);
      this.#onDeadline(id);
      done(new GuildwayError('DEADLINE_EXCEEDED', 'the pod did not answer in time', { facts: { sent: true } }), null);
    }
  }

  #stop(): void {
    if (this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }
}
