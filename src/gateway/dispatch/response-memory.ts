import { type MonotonicTime, remaining } from '../../time.ts';

/** What a handler is expected to answer with before the first one has. */
const FIRST_EXPECTED = 4 * 1024 * 1024;
const LEAST_EXPECTED = 16 * 1024;

/** The memory of one response, from before its handler runs until its body has left the process. */
export interface ResponseLease {
  /** So many bytes of it are in memory now. */
  hold(bytes: number): void;
  /** Idempotent. */
  end(): void;
}

interface Waiting {
  readonly grant: (lease: ResponseLease) => void;
}

/**
 * Bounds the bytes of responses that are in memory at once: those that handlers are making, and those that nobody has read yet. How
 * large a response becomes is known when it is there, so each handler counts as large as the last responses were, and waits for
 * its turn where too many run.
 */
export class ResponseMemory {
  readonly #maxBytes: number;
  readonly #waiting: Waiting[] = [];
  #held = 0;
  #expected = FIRST_EXPECTED;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes that count as held. */
  get held(): number {
    return this.#held;
  }

  /**
   * Resolves when a handler may run; with null when it could not until `deadlineAt`, or its caller went away meanwhile: a pod must not
   * work off the requests of a peer that is gone while others wait behind them.
   * @param signal aborts when the caller goes away; asked for only when the handler has to wait
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

  /** One always runs, however large it is. */
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

  /** A large response counts at once, small ones little by little. */
  #note(bytes: number): void {
    this.#expected = Math.max(LEAST_EXPECTED, bytes >= this.#expected ? bytes : (this.#expected + bytes) / 2);
  }

  #grant(): void {
    while (this.#waiting.length > 0 && this.#hasRoom()) {
      (this.#waiting.shift() as Waiting).grant(this.#lease());
    }
  }
}
