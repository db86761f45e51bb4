import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { endSocket } from '../../end-socket.ts';
import { responseHead } from './fast-path/response-head.ts';

/**
 * The limits for requests that wait for earlier ones: on one connection and in total. A waiting request of 30 bytes uses 4 KiB of
 * memory.
 */
const MAX_WAITING = 100;
const MAX_WAITING_IN_ALL = 1_000;
/** The value with which a parser's callback stops the parser after the head of a request, as for an upgrade. */
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
  /** The request in flight. */
  current: Turn | null;
  /** True if the connection serves no more requests. */
  ended: boolean;
  readonly waiting: Turn[];
}

/**
 * Serves the requests of a connection one after another. Node's server emits pipelined requests (RFC 9112, 9.3.2) immediately: two writes
 * would run concurrently, and a thousand responses could wait in memory for the first.
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

  /** Serves a request when its turn comes, or never if the connection ends before. */
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
      // Further bytes wait in the client's system.
      socket.pause();
    } else {
      this.#endBehindLast(connection);
      stopReading(socket);
    }
  }

  /**
   * Ignores all further bytes of a connection and ends it after the complete requests so far.
   * @returns false if there is none; the caller then ends the connection
   */
  endBehindRequests(socket: Socket): boolean {
    const connection = this.#connections.get(socket);
    if (connection?.current?.request.complete !== true) return false;
    this.#endBehindLast(connection);
    return true;
  }

  /**
   * The connection brought something other than HTTP, or it took too long. Complete requests before that get their responses first.
   * Otherwise the client would take the error for the response to a request in flight.
   */
  refuseBytes({ code }: NodeJS.ErrnoException, socket: Socket): void {
    if (this.endBehindRequests(socket)) return;
    const connection = this.#connections.get(socket);
    // In the middle of a body: a response that began before the end of the body closes the connection by itself.
    if (connection?.current?.response.headersSent) return;
    const inBody = connection !== undefined && connection.current !== null;
    if (connection !== undefined) connection.ended = true;
    const status = STATUS[code ?? ''] ?? 400;
    const head = `${responseHead(status, ['connection', 'close', 'content-length', '0'])}\r\n`;
    // Immediately if the body has a receiver, which must learn that the body is incomplete.
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
    // Also after a response that closes the connection, which tells the client that nothing after it was processed.
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
    // The body may be incomplete.
    if (connection.waiting.length === 0 && !(connection.ended && next.request.complete)) socket.resume();
    this.#begin(connection, next);
  }
}

/**
 * Stops reading from a connection and stops parsing the bytes in memory. One chunk can hold 2,000 requests, for which Node's server
 * creates 8 MiB of objects.
 */
function stopReading(socket: Socket): void {
  socket.pause();
  const { parser } = socket as { parser?: { onIncoming?: unknown } | null };
  if (parser) parser.onIncoming = () => STOP_PARSING;
}
