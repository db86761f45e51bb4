import type { IncomingMessage, ServerResponse } from 'node:http';
import { HEADER, type HeaderList } from '../../link/message.ts';
import type { MonotonicTime } from '../../time.ts';
import type { BodyReader } from './body.ts';
import type { BodyUse } from './body-allowance.ts';
import { ClientStream } from './client-stream.ts';
import { CLIENT_GONE, type EdgeRequest } from './edge-request.ts';
import { fieldsOf } from './headers.ts';
import type { ClientOf } from './proxies.ts';
import { type HeadFault, type RequestHead, readHead } from './request-head.ts';
import { LARGE_RESPONSE, type UnreadResponses } from './unread-responses.ts';

const EMPTY = Buffer.alloc(0);
/** Bodies up to this size are written as one string with their headers, in one write instead of two. */
const ONE_WRITE = 2 * 1024;
/** The time during which a client may continue to send a discarded body. */
const LINGER_MS = 1_000;

export interface NodeRequestOptions {
  readonly bodies: BodyReader;
  readonly unread: UnreadResponses;
  /** The client of a request; null if a trusted proxy does not name it. */
  readonly clientOf: ClientOf;
  readonly maxBodyBytes: number;
}

/** A request from Node's HTTP server. It may be of any kind, and its bodies may stream. */
export class NodeRequest implements EdgeRequest {
  readonly id: string;
  readonly startedAt: MonotonicTime;
  readonly url: string;
  readonly fields: HeaderList;
  readonly bodyLength: number | null;
  readonly fault: HeadFault | null;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly #options: NodeRequestOptions;
  #stream: ClientStream | null = null;
  #aborted = false;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    id: string,
    startedAt: MonotonicTime,
    options: NodeRequestOptions,
  ) {
    this.request = request;
    this.response = response;
    this.id = id;
    this.startedAt = startedAt;
    this.#options = options;
    const head = headOf(request);
    this.url = head.url;
    this.fields = head.fields;
    this.bodyLength = head.bodyLength;
    this.fault = head.fault;
  }

  get method(): string {
    return this.request.method as string;
  }

  get address(): string {
    return this.request.socket.remoteAddress ?? '';
  }

  get status(): number {
    if (this.#aborted) return CLIENT_GONE;
    return this.response.headersSent ? this.response.statusCode : 0;
  }

  readBody(limit: number, kind: BodyUse['kind'], pod: number | null): Promise<Buffer> {
    const { bodies, clientOf } = this.#options;
    const use = { kind, pod, client: clientOf(this) };
    return bodies.read(this.request, this.response, this.bodyLength, limit, use);
  }

  respond(status: number, headers: HeaderList, body: Buffer): void {
    const { request, response } = this;
    if (response.headersSent || response.destroyed) return;
    if (body.length > LARGE_RESPONSE && !this.#options.unread.hasRoom(body.length)) {
      if (this.method === 'GET')
        this.respond(503, ['content-length', '0', 'retry-after', '1', HEADER.requestId, this.id], EMPTY);
      else this.abort();
      return;
    }
    const unread = this.bodyLength !== 0 && !request.complete;
    try {
      response.writeHead(status, unread ? [...headers, 'connection', 'close'] : (headers as string[]));
    } catch {
      // A handler returned a header that Node rejects.
      response.writeHead(502, ['content-length', '0', HEADER.requestId, this.id]).end();
      return;
    }
    if (unread) this.#endAfterLinger(body);
    else if (body.length === 0) response.end();
    else if (body.length <= ONE_WRITE) response.end(body.toString('latin1'), 'latin1');
    else response.end(body);
    const { socket } = response;
    if (socket !== null) this.#options.unread.wrote(socket);
  }

  abort(): void {
    this.#aborted = true;
    this.response.destroy();
  }

  onGone(forwarded: { cancel(): void }): void {
    const { response } = this;
    const onClose = (): void => {
      if (!response.writableFinished) forwarded.cancel();
    };
    if (response.closed) onClose();
    // Not `once`, which is slower. A response closes only once.
    else response.on('close', onClose);
  }

  get stream(): ClientStream {
    this.#stream ??= new ClientStream(this.request, this.response, this.#options);
    return this.#stream;
  }

  /**
   * Ends a response to a request whose body is discarded. Closing the connection while the client still sends would reset it, and the
   * client might never read the response. So the rest of the body is read and discarded for a while.
   */
  #endAfterLinger(body: Buffer): void {
    const { request, response } = this;
    response.write(body);
    const end = (): void => {
      clearTimeout(timer);
      response.end();
    };
    const timer = setTimeout(end, LINGER_MS);
    request.once('end', end).once('close', end).resume();
  }
}

/** The head of a request from Node's server. */
export function headOf({ method, url, httpVersion, rawHeaders }: IncomingMessage): RequestHead {
  return readHead(method as string, url as string, httpVersion, fieldsOf(rawHeaders));
}
