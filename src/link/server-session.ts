import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import { GuildwayError } from '../errors.ts';
import { HEADER } from '../protocol/headers.ts';
import type { TopologyRecord } from '../routing/topology.ts';
import { type Duration, inMs, type MonotonicTime } from '../time.ts';
import { Connection, startHeartbeat } from './connection.ts';
import {
  FRAME,
  FRAME_HEADER,
  type Frame,
  MAX_HELLO,
  MAX_REQUEST_FRAME,
  MAX_RESPONSE_BODY,
  parseRequest,
  responseHead,
} from './frames.ts';
import { parseClientHello, type ServerHello, sameProof } from './handshake.ts';
import type { GatewayHandler, GatewayResponse, RequestContext } from './message.ts';

/** The session stops reading from a peer with this many unread bytes of responses. */
const MAX_BACKLOG = 8 * 1024 * 1024;

/** The id of the PING after a GOAWAY. Heartbeat PINGs have 0. */
const DRAIN_PING = 1;

export interface ServerSessionOptions {
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly expectedProof: string;
  readonly hello: ServerHello;
  readonly topology: TopologyRecord;
  readonly handler: GatewayHandler;
  readonly heartbeatMs: Duration;
  readonly helloTimeoutMs: Duration;
  readonly maxInFlight: number;
  readonly log: Logger;
  readonly onClose: () => void;
}

/** A request's deadline, and its signal, which is created on demand. */
class Context implements RequestContext {
  readonly id: number;
  readonly deadlineAt: MonotonicTime;
  /** The index in the list of running requests. */
  at: number;
  #controller: AbortController | null = null;
  #aborted = false;

  constructor(id: number, deadlineAt: MonotonicTime, at: number) {
    this.id = id;
    this.deadlineAt = deadlineAt;
    this.at = at;
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  abort(): void {
    this.#aborted = true;
    this.#controller?.abort();
  }
}

/** One connection of the gateway pod's end of the link, from the client's HELLO to its end. */
export class ServerSession {
  readonly #options: ServerSessionOptions;
  readonly #connection: Connection;
  /** Unordered. A list and not a Map for the reason in in-flight.ts. */
  readonly #running: Context[] = [];
  #client: string | null = null;
  #draining = false;
  /** True when the client has read the GOAWAY and all its earlier frames have arrived. */
  #drainHeard = false;
  #stopHeartbeat = (): void => {};

  constructor(options: ServerSessionOptions) {
    this.#options = options;
    const helloTimer = setTimeout(
      () => this.#connection.destroy(new Error('no HELLO in time')),
      options.helloTimeoutMs,
    );
    this.#connection = new Connection({
      socket: options.socket as Socket,
      read: (listener) => options.socket.on('data', listener),
      reused: false,
      head: options.head,
      frameLimit: MAX_HELLO,
      onFrame: (frame) => {
        if (this.#client !== null) this.#onFrame(frame);
        else {
          this.#onHello(frame);
          clearTimeout(helloTimer);
        }
      },
      onClose: (error) => {
        clearTimeout(helloTimer);
        this.#stopHeartbeat();
        if (error !== null) options.log.warn({ err: error, client: this.#client }, 'link: connection lost');
        this.#abortAll();
        options.onClose();
      },
    });
  }

  get inFlight(): number {
    return this.#running.length;
  }

  /**
   * Refuses new requests and ends the connection when all requests in flight have responses. Requests that crossed the GOAWAY are still
   * in transit. If the connection ended before they arrive, their outcome would be unknown although the pod never processed them. The PONG
   * for the PING after the GOAWAY arrives after the last of them.
   */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    if (this.#client === null) {
      this.#connection.destroy();
      return;
    }
    this.#connection.writer.signal(FRAME.goaway, 0);
    this.#connection.writer.signal(FRAME.ping, DRAIN_PING);
  }

  destroy(): void {
    this.#connection.destroy();
  }

  #onHello(frame: Frame): void {
    if (frame.type !== FRAME.hello) throw new GuildwayError('LINK_PROTOCOL', 'the first frame is not a HELLO');
    const { expectedProof, hello, topology, heartbeatMs, log } = this.#options;
    const client = parseClientHello(frame.bytes.subarray(FRAME_HEADER));
    if (!sameProof(expectedProof, client.proof)) {
      throw new GuildwayError(
        'LINK_REFUSED',
        `${JSON.stringify(client.name)} could not prove that it holds LINK_SECRET`,
      );
    }
    this.#client = client.name;
    this.#connection.reader.limit = MAX_REQUEST_FRAME;
    this.#connection.writer.hello(hello);
    this.#stopHeartbeat = startHeartbeat(this.#connection, heartbeatMs);
    const ours = JSON.stringify(topology);
    const theirs = JSON.stringify(client.topology);
    // While guilds move, pods learn of the newer topology one after the other.
    const level = topology.epoch === client.topology.epoch ? 'warn' : 'debug';
    if (ours !== theirs) log[level]({ client: client.name, ours, theirs }, 'link: the client has another topology');
  }

  #onFrame(frame: Frame): void {
    switch (frame.type) {
      case FRAME.request:
        this.#onRequest(frame);
        return;
      case FRAME.cancel:
        this.#running.find(({ id }) => id === frame.id)?.abort();
        return;
      case FRAME.ping:
        this.#connection.writer.signal(FRAME.pong, frame.id);
        return;
      case FRAME.pong:
        if (frame.id !== DRAIN_PING) return;
        this.#drainHeard = true;
        this.#endIfDrained();
        return;
      default:
        throw new GuildwayError('LINK_PROTOCOL', `unexpected frame type ${frame.type}`);
    }
  }

  #onRequest(frame: Frame): void {
    const { id } = frame;
    if (this.#draining || this.#running.length >= this.#options.maxInFlight) {
      this.#connection.writer.signal(FRAME.refused, id);
      return;
    }
    const { request, timeoutMs } = parseRequest(frame);
    const context = new Context(id, inMs(timeoutMs), this.#running.length);
    this.#running.push(context);
    this.#options.handler(request, context).then(
      (response) => this.#respond(context, response),
      (error: unknown) => {
        this.#options.log.error({ err: error }, 'link: the handler rejected');
        this.#respond(context, { status: 500, headers: [], body: Buffer.alloc(0) });
      },
    );
  }

  #respond(context: Context, response: GatewayResponse): void {
    this.#remove(context);
    const { id } = context;
    const { writer, socket } = this.#connection;
    if (socket.destroyed) {
      this.#abortAll();
      response.sent?.();
      return;
    }
    try {
      if (response.body.length > MAX_RESPONSE_BODY) {
        throw new GuildwayError(
          'BODY_TOO_LARGE',
          `a response of ${response.body.length} bytes is too large for the link: declare its route with stream: true`,
        );
      }
      if (!(response.status >= 200 && response.status <= 599))
        throw new RangeError(`${response.status} is not an HTTP status`);
      const { status, headers, body, sent } = response;
      const left =
        sent &&
        ((): void => {
          // What it lets go may start requests that wait for memory: not those of this client, when it has gone.
          if (socket.destroyed) this.#abortAll();
          sent();
        });
      writer.response(id, status, responseHead(headers), headers.length, body, left);
    } catch (error) {
      response.sent?.();
      this.#options.log.error({ err: error }, 'link: the response cannot be sent');
      const why = 'the response cannot be sent';
      writer.response(id, 500, [HEADER.failure, why].join('\0'), 2, Buffer.alloc(0));
    }
    if (writer.backlog > MAX_BACKLOG && !socket.isPaused()) {
      writer.flush();
      socket.pause();
      socket.once('drain', () => socket.resume());
    }
    this.#endIfDrained();
  }

  /** The client has gone. */
  #abortAll(): void {
    for (const context of this.#running) context.abort();
  }

  #remove(context: Context): void {
    const last = this.#running.pop() as Context;
    if (last === context) return;
    this.#running[context.at] = last;
    last.at = context.at;
  }

  #endIfDrained(): void {
    if (this.#drainHeard && this.#running.length === 0) this.#connection.end();
  }
}
