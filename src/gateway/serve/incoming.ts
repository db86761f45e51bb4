import { GuildwayError } from '../../errors.ts';
import type { GatewayRequest, HeaderList, RequestContext } from '../../link/message.ts';

/** A request as the pod's dispatch sees it, however it came. */
export interface Incoming extends RequestContext {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: HeaderList;
  /**
   * Reads the whole body; the same one each time.
   * @throws GuildwayError BODY_TOO_LARGE; CANCELLED when the caller goes away before its end
   */
  readBody(maxBytes: number): Promise<Buffer>;
  /** The body as it comes, or whole where it is already here; null where there is none. */
  openBody(): Buffer | ReadableStream<Uint8Array> | null;
}

/** A request that came over the link, or from this pod itself. */
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
