import type { Socket } from 'node:net';
import { type Duration, type MonotonicClock, type MonotonicTime, monotonicNow } from '../../time.ts';

/** The total for all connections: less than a tenth of an HTTP pod's memory limit in the manifests. */
const MAX_UNREAD_BYTES = 24 * 1024 * 1024;
/** A client that reads nothing of its response for this long is disconnected. */
const STALLED_MS = 30_000;
/** Smaller responses count, but are never rejected. */
export const LARGE_RESPONSE = 64 * 1024;
/** The shorter limit if another response needs the room. */
const GIVES_WAY_MS = 5_000;
const LOOK_MS = 5_000;

interface Unread {
  /** The number of bytes that the operating system had accepted at the last check. */
  taken: number;
  /** The time since which it has accepted none. */
  since: MonotonicTime;
}

/**
 * Bounds the bytes of responses that clients have not read. One connection leaves at most one response unread, but many connections
 * that never read would exhaust the memory.
 */
export class UnreadResponses {
  readonly #maxBytes: number;
  readonly #stalledMs: Duration;
  readonly #now: MonotonicClock;
  readonly #sockets = new Map<Socket, Unread>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: { maxBytes?: number; stalledMs?: Duration; now?: MonotonicClock } = {}) {
    this.#maxBytes = options.maxBytes ?? MAX_UNREAD_BYTES;
    this.#stalledMs = options.stalledMs ?? STALLED_MS;
    this.#now = options.now ?? monotonicNow;
    this.#timer = setInterval(() => this.#endStalled(this.#stalledMs), Math.min(LOOK_MS, this.#stalledMs)).unref();
  }

  /**
   * Whether a response of more than {@link LARGE_RESPONSE} bytes may be written. Makes room by ending connections whose clients have
   * stopped reading.
   */
  hasRoom(bytes: number): boolean {
    if (this.#unread() + bytes <= this.#maxBytes) return true;
    this.#endStalled(GIVES_WAY_MS);
    return this.#unread() + bytes <= this.#maxBytes;
  }

  /** Registers a response that was written and may stay unread. */
  wrote(socket: Socket): void {
    if (socket.writableLength === 0 || this.#sockets.has(socket)) return;
    this.#sockets.set(socket, { taken: takenOf(socket), since: this.#now() });
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Forgets read responses and ends connections that have read nothing for `limitMs`. */
  #endStalled(limitMs: Duration): void {
    for (const [socket, unread] of this.#sockets) {
      const taken = takenOf(socket);
      if (socket.destroyed || socket.writableLength === 0) this.#sockets.delete(socket);
      else if (taken !== unread.taken) Object.assign(unread, { taken, since: this.#now() });
      else if (this.#now() - unread.since >= limitMs) {
        this.#sockets.delete(socket);
        socket.destroy();
      }
    }
  }

  #unread(): number {
    let sum = 0;
    for (const socket of this.#sockets.keys()) sum += socket.destroyed ? 0 : socket.writableLength;
    return sum;
  }
}

/** `bytesWritten` includes bytes that are still queued. */
const takenOf = (socket: Socket): number => socket.bytesWritten - socket.writableLength;
