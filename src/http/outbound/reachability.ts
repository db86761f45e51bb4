import { connect, type LookupFunction } from 'node:net';
import type { Duration } from '../../time.ts';

/** The interval of probes to an address that refuses connections. */
const PROBE_MS = 1_000;

/**
 * Whether a pod's address accepts connections. Requests show this. While the last attempt was refused, periodic probes open and close
 * a connection, because an HTTP pod that is not ready gets no requests.
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

  /** Null before the first attempt. */
  get reachable(): boolean | null {
    return this.#reachable;
  }

  /** Reports the result of a connection attempt. */
  note(reachable: boolean): void {
    this.#reachable = reachable;
    if (!reachable) this.#probeIn(PROBE_MS * (0.5 + Math.random()));
  }

  /** Probes now. Resolves with the result known. */
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
