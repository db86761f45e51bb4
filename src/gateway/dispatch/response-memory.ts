import { type MonotonicTime, remaining } from '../../time.ts';

/** The expected size of a response before any handler has responded. */
const FIRST_EXPECTED = 4 * 1024 * 1024;
const LEAST_EXPECTED = 16 * 1024;

/** The memory of a response, from before its handler runs until its body has left the process. */
export interface ResponseLease {
  /** Sets the number of bytes in memory. */
  hold(bytes: number): void;
  /** Idempotent. */
  end(): void;
}

interface Waiting {
  readonly grant: (lease: ResponseLease) => void;
}

/**
 * Limits the bytes of responses in memory: those that handlers produce, and those that are not sent yet. The size of a response
 * is unknown until it exists, so a running handler counts as much as recent responses did. A handler waits for its turn while
 * the limit is reached.
 */
export class ResponseMemory {
  readonly #maxBytes: number;
  readonly #waiting: Waiting[] = [];
  #held = 0;
  #expected = FIRST_EXPECTED;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes that count against the limit. */
  get held(): number {
    return this.#held;
  }

  /**
   * Resolves when a handler may run. Resolves with null after `deadlineAt`, or when the client disconnects: a pod must not work
   * for clients that are gone while others wait.
   * @param signal aborts when the client disconnects; called only if the handler has to wait
   */
  enter(deadlineAt: MonotonicTime, signal: () => AbortSignal): ResponseLease | Promise<ResponseLease | null> {
    if (this.#waiting.length === 0 && this.#hasRoom()) return this.#lease();
    return new Promise((resolve) => {
      const gone = signal();
      const leave = (): void => {
        stop();
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        resolve(null);
      };
      const timer = setTimeout(leave, Math.max(0, remaining(deadlineAt))).unref();
      const stop = (): void => {
        clearTimeout(timer);
        gone.removeEventListener('abort', leave);
      };
      const grant = (lease: ResponseLease): void => {
        stop();
        resolve(lease);
      };
      const waiting: Waiting = { grant };
      this.#waiting.push(waiting);
      if (gone.aborted) leave();
      else gone.addEventListener('abort', leave, { once: true });
    });
  }

  /** One handler always runs, regardless of its size. */
  #hasRoom(): boolean {
    return this.#held === 0 || this.#held + this.#expected <= this.#maxBytes;
  }

  #lease(): ResponseLease {
    let own = this.#expected;
    let known = false;
    let ended = false;
    this.#held += own;
    return {
      hold: (bytes) => {
        if (ended) return;
        if (!known || bytes > own) this.#note(bytes);
        known = true;
        this.#held += bytes - own;
        own = bytes;
        this.#grant();
      },
      end: () => {
        if (ended) return;
        ended = true;
        this.#held -= own;
        this.#grant();
      },
    };
  }

  /** A large response raises the estimate at once; small ones lower it gradually. */
  #note(bytes: number): void {
    this.#expected = Math.max(LEAST_EXPECTED, bytes >= this.#expected ? bytes : (this.#expected + bytes) / 2);
  }

  #grant(): void {
    while (this.#waiting.length > 0 && this.#hasRoom()) {
      (this.#waiting.shift() as Waiting).grant(this.#lease());
    }
  }
}
