import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { endSocket } from '../../../end-socket.ts';
import type { Duration } from '../../../time.ts';
import type { EdgeRequest } from '../edge-request.ts';
import type { UnreadResponses } from '../unread-responses.ts';
import { type BodyAccounting, type FastPathConnection, FastPathRequest } from './fast-path-request.ts';
import { type RequestParser, RequestParsers, type WholeRequest } from './parser.ts';

export interface FastPathOptions extends BodyAccounting {
  readonly unread: UnreadResponses;
  readonly maxHeaderBytes: number;
  /** The idle limits of a connection: between requests, and before its first one. */
  readonly keepAliveMs: Duration;
  readonly firstRequestMs: Duration;
  readonly newRequestId: () => string;
  /** Serves a request. @returns false to leave it to Node's server */
  readonly serve: (request: EdgeRequest) => boolean;
}

/** Bodies up to this size are written as one string with their head, in one write instead of two. */
const ONE_WRITE = 2 * 1024;
/** The number of checks within the shorter limit. A connection is closed at most one check after its limit. */
const STEPS = 8;
/** The maximum age of a response's date, which has a resolution of one second. */
const CLOCK_MS = 500;

/**
 * The first reader of client connections. While a connection brings whole requests, one at a time, the fast path serves them without
 * the streams, objects and timers of `node:http`, which are half the cost of a minimal response. On anything else it hands the
 * connection to Node's server, starting with that chunk. Both use Node's parser.
 */
export class FastPath {
  readonly #options: FastPathOptions;
  readonly #parsers: RequestParsers;
  readonly #toNode: (socket: Socket) => void;
  readonly #connections = new Set<Connection>();
  #draining = false;
  /** The number of checks for idle connections so far. */
  #look = 0;
  #lastLines = '';

  /** Puts a fast path in front of a server; null if this version of Node lacks the parser. */
  static inFrontOf(server: Server, options: FastPathOptions): FastPath | null {
    const parsers = RequestParsers.find(options.maxHeaderBytes);
    const [listener] = server.listeners('connection') as ((socket: Socket) => void)[];
    if (parsers === null || listener === undefined) return null;
    return new FastPath(server, listener, parsers, options);
  }

  private constructor(
    server: Server,
    listener: (socket: Socket) => void,
    parsers: RequestParsers,
    options: FastPathOptions,
  ) {
    this.#options = options;
    this.#parsers = parsers;
    // An HTTP server serves the sockets that are passed to its 'connection' listener.
    server.off('connection', listener);
    this.#toNode = (socket) => listener.call(server, socket);
    server.on('connection', (socket: Socket) => this.#take(socket));
    const stepMs = Math.max(1, Math.min(options.keepAliveMs, options.firstRequestMs) / STEPS);
    // Not in the timer itself: in a busy process the timer may fire before data that has already arrived is read.
    const timer = setInterval(() => setImmediate(() => this.#closeIdle(stepMs)), stepMs).unref();
    this.#renewLastLines();
    const clock = setInterval(() => this.#renewLastLines(), CLOCK_MS).unref();
    server.once('close', () => {
      clearInterval(timer);
      clearInterval(clock);
    });
  }

  /** From now on every response closes its connection. */
  drain(): void {
    this.#draining = true;
    this.#renewLastLines();
  }

  /** Closes connections without a request in flight. */
  closeIdleConnections(): void {
    for (const connection of this.#connections) if (connection.idle) connection.close();
  }

  #take(socket: Socket): void {
    const { newRequestId, serve } = this.#options;
    const connection: Connection = new Connection(socket, this.#parsers.create(), this.#look, {
      serve: (whole) => {
        const request = new FastPathRequest(whole, newRequestId(), connection, this.#options);
        return serve(request) ? request : null;
      },
      look: () => this.#look,
      lastLines: () => this.#lastLines,
      closes: () => this.#draining,
      wrote: () => this.#options.unread.wrote(socket),
      hasRoom: (bytes) => this.#options.unread.hasRoom(bytes),
      gone: () => this.#connections.delete(connection),
      toNode: (chunk) => {
        this.#connections.delete(connection);
        socket.pause();
        socket.unshift(chunk);
        this.#toNode(socket);
        socket.resume();
      },
    });
    this.#connections.add(connection);
  }

  #closeIdle(stepMs: Duration): void {
    const { keepAliveMs, firstRequestMs } = this.#options;
    this.#look++;
    for (const connection of this.#connections) {
      if (!connection.idle) continue;
      const limitMs = connection.used ? keepAliveMs : firstRequestMs;
      if ((this.#look - connection.idleSince - 1) * stepMs >= limitMs) connection.close();
    }
  }

  /** Renews the last lines of every response head, in the form of Node's server. */
  #renewLastLines(): void {
    const keepAlive = `keep-alive\r\nkeep-alive: timeout=${Math.floor(this.#options.keepAliveMs / 1_000)}`;
    const connection = this.#draining ? 'close' : keepAlive;
    this.#lastLines = `date: ${new Date().toUTCString()}\r\nconnection: ${connection}\r\n\r\n`;
  }
}

/** The interface of a connection to the fast path. */
interface FastPathSide {
  serve(whole: WholeRequest): FastPathRequest | null;
  look(): number;
  lastLines(): string;
  closes(): boolean;
  wrote(): void;
  hasRoom(bytes: number): boolean;
  gone(): void;
  toNode(chunk: Buffer): void;
}

class Connection implements FastPathConnection {
  readonly address: string;
  /** Whether the connection has had a request. */
  used = false;
  /** The check of the fast path since which the connection is idle. */
  idleSince: number;
  readonly #socket: Socket;
  readonly #parser: RequestParser;
  readonly #fastPath: FastPathSide;
  #request: FastPathRequest | null = null;
  /** Whether a request is in flight. Set before the request is served, because its response may be immediate. */
  #serving = false;
  #closing = false;
  /** The bytes that arrived during a request. */
  #early: Buffer | null = null;
  readonly #onData = (chunk: Buffer): void => this.#read(this.#serving ? null : this.#parser.parse(chunk), chunk);
  readonly #onEnd = (): void => this.close();
  readonly #onClose = (): void => {
    this.#parser.close();
    this.#fastPath.gone();
    this.#request?.gone();
  };
  readonly #onError = (): void => this.close();

  constructor(socket: Socket, parser: RequestParser, look: number, fastPath: FastPathSide) {
    this.#socket = socket;
    this.#parser = parser;
    this.address = socket.remoteAddress ?? '';
    this.idleSince = look;
    this.#fastPath = fastPath;
    socket.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose).on('error', this.#onError);
    parser.consume(socket, (whole) => this.#read(whole, null));
  }

  get idle(): boolean {
    return !this.#serving && !this.#closing;
  }

  close(): void {
    this.#socket.destroy();
  }

  hasRoom(bytes: number): boolean {
    return this.#fastPath.hasRoom(bytes);
  }

  respond(head: string, body: Buffer): void {
    this.#serving = false;
    this.#request = null;
    this.idleSince = this.#fastPath.look();
    const socket = this.#socket;
    const closes = this.#fastPath.closes();
    const whole = head + this.#fastPath.lastLines();
    if (body.length <= ONE_WRITE) socket.write(whole + body.toString('latin1'), 'latin1');
    else {
      socket.cork();
      socket.write(whole, 'latin1');
      socket.write(body);
      socket.uncork();
    }
    this.#fastPath.wrote();
    if (closes) {
      this.#closing = true;
      this.#parser.unconsume();
      endSocket(socket);
    } else if (this.#early !== null) this.#leaveWith(this.#early);
  }

  /** @param chunk the bytes that were read; null if the parser has them */
  #read(whole: WholeRequest | null, chunk: Buffer | null): void {
    if (this.#closing) return;
    if (this.#serving) {
      // The client sends requests without waiting for responses. Node's server handles the rest.
      const early = chunk ?? this.#parser.chunk;
      this.#early = this.#early === null ? early : Buffer.concat([this.#early, early]);
      this.#parser.unconsume();
      this.#socket.pause();
      return;
    }
    this.used = true;
    // The client does not read its responses. Node's server has the backpressure for that.
    if (whole !== null && this.#socket.writableLength === 0) {
      this.#serving = true;
      const request = this.#fastPath.serve(whole);
      if (request !== null) {
        if (this.#serving) this.#request = request;
        return;
      }
      this.#serving = false;
    }
    this.#leaveWith(chunk ?? this.#parser.chunk);
  }

  #leaveWith(chunk: Buffer): void {
    const socket = this.#socket;
    if (socket.destroyed) return;
    this.#parser.close();
    socket.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose).off('error', this.#onError);
    this.#fastPath.toNode(chunk);
  }
}
