import { HEADER, type HeaderList } from '../../../link/message.ts';
import { monotonicNow } from '../../../time.ts';
import { type BodyReader, bodyTooLarge } from '../body.ts';
import type { BodyUse } from '../body-allowance.ts';
import { CLIENT_GONE, type EdgeRequest } from '../edge-request.ts';
import type { ClientOf } from '../proxies.ts';
import { LARGE_RESPONSE } from '../unread-responses.ts';
import type { WholeRequest } from './parser.ts';
import { responseHead } from './response-head.ts';

const EMPTY = Buffer.alloc(0);
/** The client of a smaller body is not looked up, because the body takes no more memory than the head of its request. */
const SMALL_BODY = 4 * 1024;

/** Accounts for the bodies of a connection's requests. */
export interface BodyAccounting {
  readonly bodies: BodyReader;
  readonly clientOf: ClientOf;
}

/** The interface of a request to its connection. */
export interface FastPathConnection {
  readonly address: string;
  /** Writes a response, unless the connection is closed. `head` does not have the connection's own lines. */
  respond(head: string, body: Buffer): void;
  /** Whether a large response may be written. */
  hasRoom(bytes: number): boolean;
  close(): void;
}

/** A request that arrived whole. */
export class FastPathRequest implements EdgeRequest {
  readonly method: string;
  readonly url: string;
  readonly fields: HeaderList;
  readonly bodyLength: number;
  readonly fault = null;
  /** This connection supports whole responses only. */
  readonly stream = null;
  readonly id: string;
  readonly startedAt = monotonicNow();
  status = 0;
  readonly #body: Buffer;
  readonly #connection: FastPathConnection;
  readonly #accounting: BodyAccounting;
  #releaseBody: (() => void) | null = null;
  #forwarded: { cancel(): void } | null = null;

  constructor(request: WholeRequest, id: string, connection: FastPathConnection, accounting: BodyAccounting) {
    this.method = request.method;
    this.url = request.url;
    this.fields = request.fields;
    this.bodyLength = request.body.length;
    this.#body = request.body;
    this.id = id;
    this.#connection = connection;
    this.#accounting = accounting;
  }

  get address(): string {
    return this.#connection.address;
  }

  async readBody(limit: number, kind: BodyUse['kind'], pod: number | null): Promise<Buffer> {
    if (this.bodyLength > limit) throw bodyTooLarge(limit);
    const { bodies, clientOf } = this.#accounting;
    const client = this.bodyLength < SMALL_BODY ? null : clientOf(this);
    this.#releaseBody ??= bodies.hold(this.bodyLength, { kind, pod, client });
    return this.#body;
  }

  respond(status: number, headers: HeaderList, body: Buffer): void {
    if (this.status !== 0) return;
    if (body.length > LARGE_RESPONSE && !this.#connection.hasRoom(body.length)) {
      if (this.method === 'GET')
        this.respond(503, ['content-length', '0', 'retry-after', '1', HEADER.requestId, this.id], EMPTY);
      else this.abort();
      return;
    }
    this.#end(status);
    this.#connection.respond(responseHead(status, headers), body);
  }

  abort(): void {
    if (this.status !== 0) return;
    this.#end(CLIENT_GONE);
    this.#connection.close();
  }

  onGone(forwarded: { cancel(): void }): void {
    if (this.status === 0) this.#forwarded = forwarded;
    else if (this.status === CLIENT_GONE) forwarded.cancel();
  }

  /** The client disconnected. */
  gone(): void {
    if (this.status !== 0) return;
    const forwarded = this.#forwarded;
    this.#end(CLIENT_GONE);
    forwarded?.cancel();
  }

  #end(status: number): void {
    this.status = status;
    this.#forwarded = null;
    this.#releaseBody?.();
    this.#releaseBody = null;
  }
}
