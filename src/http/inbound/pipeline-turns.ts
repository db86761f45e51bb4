import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { endSocket } from '../../end-socket.ts';
import { responseHead } from './fast-path/response-head.ts';

/**
 * So many requests may wait for those before them: on one connection, and on all together. A request of 30 bytes costs 4 KiB of
 * memory while it waits.
 */
const MAX_WAITING = 100;
const MAX_WAITING_IN_ALL = 1_000;
/** What a parser's callback returns to make the parser stop behind the head of this request, as for an upgrade. */
const STOP_PARSING = 2;

const STATUS: Readonly<Partial<Record<string, number>>> = Object.freeze({
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
});

interface Turn {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

interface Connection {
  /** What is being served. */
  current: Turn | null;
  /** Nothing on it is served any more. */
  ended: boolean;
  readonly waiting: Turn[];
}

/**
 * Serves the requests of a connection one after the other. Node's server hands over what a client sends ahead (pipelining, RFC 9112,
 * 9.3.2) at once: two writes would run side by side, and a thousand responses wait in memory for the first.
 */
export class Turns {
  readonly #serve: (request: IncomingMessage, response: ServerResponse) => void;
  readonly #connections = new WeakMap<Socket, Connection>();
  readonly #maxWaitingInAll: number;
  #waitingInAll = 0;

  constructor(
    serve: (request: IncomingMessage, response: ServerResponse) => void,
    maxWaitingInAll: number = MAX_WAITING_IN_ALL,
  ) {
    this.#serve = serve;
    this.#maxWaitingInAll = maxWaitingInAll;
  }

  /** Serves a request, now or when its turn comes; never, when the connection ends before. */
  take(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    let connection = this.#connections.get(socket);
    if (connection === undefined) {
      connection = { current: null, ended: false, waiting: [] };
      this.#connections.set(socket, connection);
    }
    if (connection.ended) return;
    if (connection.current === null) this.#begin(connection, { request, response });
    else if (connection.waiting.length < MAX_WAITING && this.#waitingInAll < this.#maxWaitingInAll) {
      connection.waiting.push({ request, response });
      this.#waitingInAll++;
      // The rest of what the client sends waits in its own system.
      socket.pause();
    } else {
      this.#endBehindLast(connection);
      stopReading(socket);
    }
  }

  /**
   * Whatever comes on a connection from now on is not looked at, and it ends behind the whole requests that have come.
   * @returns false if there is none; the caller then ends the connection
   */
  endBehindRequests(socket: Socket): boolean {
    const connection = this.#connections.get(socket);
    if (connection?.current?.request.complete !== true) return false;
    this.#endBehindLast(connection);
    return true;
  }

  /**
   * What has come on a connection is no HTTP, or took too long. Whole requests before it are answered as if nothing had: an error in
   * their place would be taken for the answer to one that is being carried out.
   */
  refuseBytes({ code }: NodeJS.ErrnoException, socket: Socket): void {
    if (this.endBehindRequests(socket)) return;
    const connection = this.#connections.get(socket);
    // In the middle of a body: a response that has begun before its end closes the connection by itself.
    if (connection?.current?.response.headersSent) return;
    const inBody = connection !== undefined && connection.current !== null;
    if (connection !== undefined) connection.ended = true;
    const status = STATUS[code ?? ''] ?? 400;
    const head = `${responseHead(status, ['connection', 'close', 'content-length', '0'])}\r\n`;
    // At once, where somebody reads that body and must learn that it does not end.
    if (inBody) socket.end(head, 'latin1', () => socket.destroy());
    else endSocket(socket, head);
  }

  #endBehindLast(connection: Connection): void {
    connection.ended = true;
    const last = connection.waiting.at(-1) ?? connection.current;
    if (last !== null) last.response.shouldKeepAlive = false;
  }

  #begin(connection: Connection, turn: Turn): void {
    const { request, response } = turn;
    connection.current = turn;
    response.once('close', () => this.#end(connection, request.socket));
    this.#serve(request, response);
  }

  #end(connection: Connection, socket: Socket): void {
    connection.current = null;
    // Also after a response that closes the connection: its client has been told that nothing behind it was looked at.
    if (socket.destroyed || socket.writableEnded) {
      connection.ended = true;
      this.#waitingInAll -= connection.waiting.length;
      connection.waiting.length = 0;
    }
    const next = connection.waiting.shift();
    if (next === undefined) {
      if (connection.ended) endSocket(socket);
      return;
    }
    this.#waitingInAll--;
    // Its body may not be here yet.
    if (connection.waiting.length === 0 && !(connection.ended && next.request.complete)) socket.resume();
    this.#begin(connection, next);
  }
}

/**
 * Reads no more from a connection, and makes no more requests of the bytes that are in memory: one chunk has room for 2,000
 * requests, of which Node's server makes 8 MiB of objects.
 */
function stopReading(socket: Socket): void {
  socket.pause();
  const { parser } = socket as { parser?: { onIncoming?: unknown } | null };
  if (parser) parser.onIncoming = () => STOP_PARSING;
}
