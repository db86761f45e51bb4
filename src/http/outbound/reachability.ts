import { connect, type LookupFunction } from 'node:net';
import type { Duration } from '../../time.ts';

/** How often an address that refuses connections is looked at again. */
const PROBE_MS = 1_000;

/**
 * Whether anybody accepts connections at a pod's address. Requests tell; while there are none, and while it was refused the last
 * time, a connection is opened now and then and closed again: a pod that is not ready gets no requests to find out by.
 */
export class Reachability {
  readonly #url: URL;
  readonly #timeoutMs: Duration;
  readonly #lookup: LookupFunction;
  #reachable: boolean | null = null;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: { url: string; timeoutMs: Duration; lookup: LookupFunction }) {
    this.#url = new URL(options.url);
    this.#timeoutMs = options.timeoutMs;
    this.#lookup = options.lookup;
  }

  /** Null: not tried yet. */
  get reachable(): boolean | null {
    return this.#reachable;
  }

  /** A connection was made, or could not be. */
  note(reachable: boolean): void {
    this.#reachable = reachable;
    if (!reachable) this.#probeIn(PROBE_MS * (0.5 + Math.random()));
  }

  /** Finds out now. Resolves when it is known. */
  async probe(): Promise<void> {
    const { hostname, port, protocol } = this.#url;
    const socket = connect({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
      lookup: this.#lookup,
    });
    socket.unref();
    const reachable = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), this.#timeoutMs);
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.once('close', () => clearTimeout(timer));
    });
    socket.destroy();
    if (!this.#closed) this.note(reachable);
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #probeIn(ms: number): void {
    if (this.#timer !== null || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (this.#reachable !== true) void this.probe();
    }, ms).unref();
  }
}
