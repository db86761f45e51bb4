import { DispatchError, type ErrorCode } from '../errors.ts';
import { type Duration, type MonotonicTime, remaining } from '../time.ts';
import { Connection, startHeartbeat } from './connection.ts';
import type { Dialled } from './dial.ts';
import {
  checkHead,
  FRAME,
  FRAME_HEADER,
  type Frame,
  MAX_HELLO,
  MAX_REQUEST_FRAME,
  MAX_RESPONSE_FRAME,
  parseResponse,
  REQUEST_FIXED,
  requestHead,
} from './frames.ts';
import { type ClientHello, parseServerHello, type ServerHello } from './handshake.ts';
import { InFlight, type LinkHandler } from './in-flight.ts';
import type { GatewayRequest, GatewayResponse } from './message.ts';

/** A peer with this many unread bytes counts as saturated. */
const MAX_BACKLOG = 16 * 1024 * 1024;

export interface ClientSessionOptions {
  readonly dialled: Dialled;
  readonly hello: ClientHello;
  readonly ordinal: number;
  readonly heartbeatMs: Duration;
  readonly helloTimeoutMs: Duration;
  readonly maxInFlight: number;
  /** The source of request ids, which the sessions of a link share. */
  readonly ids: { last: number };
  /** The peer has proved its identity. Requests can be sent. */
  readonly onReady: (peer: ServerHello) => void;
  /** The peer accepts no new requests but completes those in flight. */
  readonly onGoaway: () => void;
  readonly onClose: (error: Error | null) => void;
}

/** One connection of a link, from its HELLO to its end. Sends requests and gives each exactly one outcome. */
export class ClientSession {
  readonly #options: ClientSessionOptions;
  readonly #connection: Connection;
  readonly #inFlight: InFlight;
  #stopHeartbeat = (): void => {};
  #ready = false;

  constructor(options: ClientSessionOptions) {
    this.#options = options;
    this.#inFlight = new InFlight(options.ids, (id) => this.#connection.writer.signal(FRAME.cancel, id));
    const helloTimer = setTimeout(() => {
      this.#connection.destroy(
        this.#error('LINK_UNAVAILABLE', `no HELLO within ${options.helloTimeoutMs} ms`, 'not-sent'),
      );
    }, options.helloTimeoutMs);
    this.#connection = new Connection({
      socket: options.dialled.socket,
      read: (listener) => {
        options.dialled.onRead = listener;
      },
      reused: true,
      head: options.dialled.head,
      frameLimit: MAX_HELLO,
      onFrame: (frame) => {
        if (this.#ready) this.#onFrame(frame);
        else {
          this.#onHello(frame);
          clearTimeout(helloTimer);
        }
      },
      onClose: (error) => {
        clearTimeout(helloTimer);
        this.#stopHeartbeat();
        this.#inFlight.failAll(this.#error('LINK_LOST', 'the connection ended before the response', 'unknown', error));
        options.onClose(error);
      },
    });
    this.#connection.writer.hello(options.hello);
    this.#connection.writer.flush();
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** See {@link LinkClient.send}. */
  send(request: GatewayRequest, deadlineAt: MonotonicTime, handler: LinkHandler): number {
    const writer = this.#connection.writer;
    if (this.#inFlight.size >= this.#options.maxInFlight || writer.backlog > MAX_BACKLOG) {
      handler.onError(this.#error('LINK_SATURATED', `${this.#inFlight.size} requests are in flight`, 'not-sent'));
      return 0;
    }
    const head = requestHead(request);
    if (REQUEST_FIXED + head.length + request.body.length > MAX_REQUEST_FRAME) {
      handler.onError(this.#error('BODY_TOO_LARGE', 'the request is too large for the link', 'not-sent'));
      return 0;
    }
    try {
      checkHead(head, request.headers.length + 2);
    } catch (error) {
      handler.onError(this.#error('REQUEST_INVALID', (error as Error).message, 'not-sent'));
      return 0;
    }
    const id = this.#inFlight.add(deadlineAt, handler);
    const timeoutMs = Math.max(0, Math.floor(remaining(deadlineAt)));
    writer.request(id, timeoutMs, head, request.headers.length + 2, request.body);
    return id;
  }

  /** @returns whether the request belongs to this session */
  cancel(id: number): boolean {
    const handler = this.#inFlight.take(id);
    if (handler === null) return false;
    this.#connection.writer.signal(FRAME.cancel, id);
    handler.onError(this.#error('CANCELLED', 'the client disconnected', 'unknown'));
    return true;
  }

  destroy(): void {
    this.#connection.destroy();
  }

  #onHello(frame: Frame): void {
    if (frame.type !== FRAME.hello) throw this.#error('LINK_PROTOCOL', 'the first frame is not a HELLO', 'not-sent');
    const peer = parseServerHello(frame.bytes.subarray(FRAME_HEADER));
    this.#ready = true;
    this.#connection.reader.limit = MAX_RESPONSE_FRAME;
    this.#stopHeartbeat = startHeartbeat(this.#connection, this.#options.heartbeatMs);
    this.#options.onReady(peer);
  }

  #onFrame(frame: Frame): void {
    switch (frame.type) {
      case FRAME.response:
        this.#onResponse(frame);
        return;
      case FRAME.refused:
        this.#inFlight
          .take(frame.id)
          ?.onError(this.#error('LINK_UNAVAILABLE', 'the pod is draining or full', 'not-sent'));
        return;
      case FRAME.ping:
        this.#connection.writer.signal(FRAME.pong, frame.id);
        return;
      case FRAME.pong:
        return;
      case FRAME.goaway:
        this.#options.onGoaway();
        return;
      default:
        throw this.#error('LINK_PROTOCOL', `unexpected frame type ${frame.type}`, 'not-sent');
    }
  }

  #onResponse(frame: Frame): void {
    const handler = this.#inFlight.take(frame.id);
    // The response arrived after the deadline or the cancellation.
    if (handler === null) return;
    let response: GatewayResponse;
    try {
      response = parseResponse(frame);
    } catch (error) {
      handler.onError(this.#error('LINK_LOST', 'the response could not be read', 'unknown', error));
      throw error;
    }
    handler.onResponse(response);
  }

  #error(code: ErrorCode, why: string, outcome: DispatchError['outcome'], cause?: unknown): DispatchError {
    const { ordinal } = this.#options;
    return new DispatchError(code, outcome, `gateway pod ${ordinal}: ${why}`, { cause, facts: { ordinal } });
  }
}
