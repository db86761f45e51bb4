import { connect, type Socket } from 'node:net';

/** A request as bytes, and the conditions for a correct response. */
export interface Shot {
  readonly bytes: Buffer | string;
  /** Text that the start of the response must contain, such as the owner's ordinal; null for no check. */
  readonly expect: string | null;
  /** The expected status; `error` is any status of 500 or above. */
  readonly status: number | 'error';
}

/** The callbacks of a connection. */
export interface Observer {
  /** A correct response ended. `startedAt` and `endedAt` are on the clock of `performance.now()`. */
  answered(startedAt: number, endedAt: number): void;
  /** A response had the wrong status or content, or a connection ended during a request. */
  failed(reason: string): void;
}

/** The number of bytes that are checked for `expect`: the head and a small body. */
const LOOK = 2048;

/**
 * A keep-alive client connection that sends the next request as soon as the response to the previous one has ended. It supports
 * only HTTP/1.1 responses with Content-Length or chunked coding, so that the generator does not become the bottleneck.
 */
export class Connection {
  readonly #port: number;
  readonly #next: () => Shot;
  readonly #observer: Observer;
  readonly #pauseMs: number;
  #socket: Socket | null = null;
  #shot: Shot | null = null;
  #startedAt = 0;
  /** Remaining bytes of the body; -1 before the head is complete; -2 for a chunked body. */
  #remaining = -1;
  /** The beginning of the response, head and body. */
  #text = '';
  #received = 0;
  /** The last bytes of a chunked response. */
  #tail = '';
  #stopped = false;

  /**
   * @param next returns the next request
   * @param pauseMs the pause between a response and the next request
   */
  constructor(port: number, next: () => Shot, observer: Observer, pauseMs = 0) {
    this.#port = port;
    this.#pauseMs = pauseMs;
    this.#next = next;
    this.#observer = observer;
  }

  start(): void {
    const socket = connect({
      host: '127.0.0.1',
      port: this.#port,
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafe(65536),
        callback: (count, buffer) => this.#read(buffer as Buffer, count),
      },
    });
    this.#socket = socket;
    socket.on('connect', () => {
      this.#send();
    });
    socket.on('error', (error) => this.#lost(error.message));
    socket.on('close', () => this.#lost('closed'));
  }

  stop(): void {
    this.#stopped = true;
    this.#socket?.destroy();
    this.#socket = null;
  }

  #send(): void {
    const shot = this.#next();
    this.#shot = shot;
    this.#remaining = -1;
    this.#text = '';
    this.#received = 0;
    this.#tail = '';
    this.#startedAt = performance.now();
    this.#socket?.write(shot.bytes, 'latin1');
  }

  #read(buffer: Buffer, count: number): boolean {
    if (this.#remaining === -1) {
      this.#readHead(buffer, count);
      return true;
    }
    // The body may arrive after the head.
    if (this.#text.length < LOOK) this.#text += buffer.toString('latin1', 0, Math.min(count, LOOK));
    if (this.#remaining === -2) this.#readChunks(buffer, count);
    else this.#readBody(count);
    return true;
  }

  #readHead(buffer: Buffer, count: number): void {
    const shot = this.#shot;
    if (shot === null) return;
    const text = this.#text + buffer.toString('latin1', 0, Math.min(count, LOOK));
    this.#received += count;
    const headEnd = text.indexOf('\r\n\r\n');
    if (headEnd === -1) {
      this.#text = text;
      return;
    }
    const status = (text.charCodeAt(9) - 48) * 100 + (text.charCodeAt(10) - 48) * 10 + (text.charCodeAt(11) - 48);
    if (shot.status === 'error' ? status < 500 : status !== shot.status) this.#observer.failed(`status ${status}`);
    const length = /\r\ncontent-length: *(\d+)/i.exec(text);
    this.#text = text;
    if (length !== null || status === 204) {
      this.#remaining = Number(length?.[1] ?? 0);
      this.#readBody(this.#received - headEnd - 4);
    } else {
      this.#remaining = -2;
      this.#readChunks(buffer, count);
    }
  }

  #readBody(count: number): void {
    this.#remaining -= count;
    if (this.#remaining <= 0) this.#answered();
  }

  #readChunks(buffer: Buffer, count: number): void {
    this.#tail = (this.#tail + buffer.toString('latin1', Math.max(0, count - 5), count)).slice(-5);
    if (this.#tail === '0\r\n\r\n') this.#answered();
  }

  #answered(): void {
    const expect = this.#shot?.expect ?? null;
    if (expect !== null && !this.#text.includes(expect)) this.#observer.failed('wrong answer');
    this.#observer.answered(this.#startedAt, performance.now());
    this.#shot = null;
    if (this.#pauseMs === 0) this.#send();
    else setTimeout(() => this.#socket !== null && this.#send(), this.#pauseMs);
  }

  /** A connection that ends during a request counts as a failed request. The next request opens a new connection. */
  #lost(reason: string): void {
    if (this.#stopped || this.#socket === null) return;
    this.#socket.destroy();
    this.#socket = null;
    if (this.#shot !== null) this.#observer.failed(`connection ${reason}`);
    this.#shot = null;
    setTimeout(() => {
      if (!this.#stopped) this.start();
    }, 10);
  }
}
