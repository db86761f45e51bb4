import type { Socket } from 'node:net';
import { type Duration, type MonotonicClock, type MonotonicTime, monotonicNow } from '../../time.ts';

/** Of all connections together: less than a tenth of what the manifests give an HTTP pod. */
const MAX_UNREAD_BYTES = 24 * 1024 * 1024;
/** A client that takes nothing of its response for so long is disconnected. */
const STALLED_MS = 30_000;
/** Smaller ones count, but always have room. */
export const LARGE_RESPONSE = 64 * 1024;
/** Sooner where another response needs the room. */
const GIVES_WAY_MS = 5_000;
const LOOK_MS = 5_000;

interface Unread {
  /** Bytes that the system had taken when it was looked at last. */
  taken: number;
  /** Since when it has taken none. */
  since: MonotonicTime;
}

/**
 * Bounds the bytes of responses that clients have not read. What one connection may leave unread is bounded by the response that it
 * asked for; many connections that never read would fill the memory.
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
   * Whether a response of more than {@link LARGE_RESPONSE} bytes may be written. Makes room by ending connections whose clients have stopped reading.
   */
  hasRoom(bytes: number): boolean {
    if (this.#unread() + bytes <= this.#maxBytes) return true;
    this.#endStalled(GIVES_WAY_MS);
    return this.#unread() + bytes <= this.#maxBytes;
  }

  /** A response has been written to a connection; its client may not read it. */
  wrote(socket: Socket): void {
    if (socket.writableLength === 0 || this.#sockets.has(socket)) return;
    this.#sockets.set(socket, { taken: takenOf(socket), since: this.#now() });
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Forgets those that have been read, and ends those of which nothing has been taken for `limitMs`. */
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

/** `bytesWritten` counts what still waits, too. */
const takenOf = (socket: Socket): number => socket.bytesWritten - socket.writableLength;
