import { GuildwayError } from '../../errors.ts';
import type { GatewayRequest, HeaderList, RequestContext } from '../../link/message.ts';

/** A request as dispatch sees it, regardless of its transport. */
export interface Incoming extends RequestContext {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: HeaderList;
  /**
   * Reads the whole body. Later calls return the same bytes.
   * @throws GuildwayError BODY_TOO_LARGE; CANCELLED when the client disconnects first
   */
  readBody(maxBytes: number): Promise<Buffer>;
  /** The body as a stream, or as bytes if it has arrived already. Null: the request has no body. */
  openBody(): Buffer | ReadableStream<Uint8Array> | null;
}

/** A request that arrived over the link, or that this pod sends to itself. */
export function incomingMessage(request: GatewayRequest, context: RequestContext): Incoming {
  const { method, target, headers, body } = request;
  return {
    method,
    target,
    headers,
    deadlineAt: context.deadlineAt,
    get signal() {
      return context.signal;
    },
    async readBody(maxBytes) {
      if (body.length > maxBytes) throw tooLarge(maxBytes);
      return body;
    },
    openBody: () => (body.length === 0 ? null : body),
  };
}

export const tooLarge = (maxBytes: number): GuildwayError =>
  new GuildwayError('BODY_TOO_LARGE', `the body is larger than ${maxBytes} bytes`, { facts: { maxBytes } });
