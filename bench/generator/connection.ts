import { connect, type Socket } from 'node:net';

/** One request as bytes, and what its response must contain to count as a right answer. */
export interface Shot {
  readonly bytes: Buffer | string;
  /** Text that the first part of the response must contain, such as the ordinal of the owner; null: not checked. */
  readonly expect: string | null;
  /** The status that is right for it; `error`: any from 500 on. */
  readonly status: number | 'error';
}

/** What a connection tells about each response. */
export interface Observer {
  /** A response that is right ended; `startedAt` and `endedAt` are `performance.now()`. */
  answered(startedAt: number, endedAt: number): void;
  /** A response with another status or content than expected, or a connection that ended under way. */
  failed(reason: string): void;
}

/** How much of a response is looked at for `expect`: the head and a small body. */
const LOOK = 2048;

/**
 * One keep-alive client connection that sends the next request as soon as the response to the last one has ended.
 * It reads HTTP/1.1 responses with Content-Length or chunked coding, and nothing more: lean, so that the generator
 * does not become what is measured.
 */
export class Connection {
  readonly #port: number;
  readonly #next: () => Shot;
  readonly #observer: Observer;
  readonly #pauseMs: number;
  #socket: Socket | null = null;
  #shot: Shot | null = null;
  #startedAt = 0;
  /** Bytes of the body still to come; -1: the head is still to come; -2: chunked, ends with the last chunk. */
  #remaining = -1;
  /** The beginning of the response, head and body. */
  #text = '';
  #received = 0;
  /** The last bytes of a chunked response. */
  #tail = '';
  #stopped = false;

  /**
   * @param next gives the next request
   * @param pauseMs how long it waits after each answer before it sends the next
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
    // The start of a body may come after its head.
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

  /** A connection that ends under way is a failed request; the next one opens a new connection. */
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
