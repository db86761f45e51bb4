import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** So many requests may wait on one connection for those before them. */
const MAX_WAITING = 100;

interface Connection {
  busy: boolean;
  /** Nothing on it is served any more. */
  ended: boolean;
  readonly waiting: { readonly request: IncomingMessage; readonly response: ServerResponse }[];
}

/**
 * Serves the requests of a connection one after the other. Node's server hands over what a client sends ahead (pipelining, RFC 9112,
 * 9.3.2) at once: two writes would run side by side, and a thousand responses wait in memory for the first.
 */
export class Turns {
  readonly #serve: (request: IncomingMessage, response: ServerResponse) => void;
  readonly #connections = new WeakMap<Socket, Connection>();

  constructor(serve: (request: IncomingMessage, response: ServerResponse) => void) {
    this.#serve = serve;
  }

  /** Serves a request, now or when its turn comes; never, when the connection ends before. */
  take(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    let connection = this.#connections.get(socket);
    if (connection === undefined) {
      connection = { busy: false, ended: false, waiting: [] };
      this.#connections.set(socket, connection);
    }
    if (connection.ended) return;
    if (!connection.busy) this.#begin(connection, request, response);
    else if (connection.waiting.length < MAX_WAITING) {
      connection.waiting.push({ request, response });
      // The rest of what the client sends waits in its own system.
      socket.pause();
    } else {
      connection.ended = true;
      // Those that wait are answered; its client sends the others again elsewhere.
      const last = connection.waiting.at(-1);
      if (last !== undefined) last.response.shouldKeepAlive = false;
    }
  }

  /** Whether a request of this connection is being served. */
  isBusy(socket: Socket): boolean {
    return this.#connections.get(socket)?.busy === true;
  }

  #begin(connection: Connection, request: IncomingMessage, response: ServerResponse): void {
    connection.busy = true;
    response.once('close', () => this.#end(connection, request.socket));
    this.#serve(request, response);
  }

  #end(connection: Connection, socket: Socket): void {
    connection.busy = false;
    // Also after a response that closes the connection: its client has been told that nothing behind it was looked at.
    if (socket.destroyed || socket.writableEnded) {
      connection.ended = true;
      connection.waiting.length = 0;
    }
    const next = connection.waiting.shift();
    if (next === undefined) return;
    // Its body may not be here yet.
    if (connection.waiting.length === 0) socket.resume();
    this.#begin(connection, next.request, next.response);
  }
}
