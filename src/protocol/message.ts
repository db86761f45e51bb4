/** The messages between an HTTP pod and a gateway pod. They are the same over the link and over plain HTTP. */
import type { MonotonicTime } from '../time.ts';
import type { HeaderList } from './headers.ts';

export interface GatewayRequest {
  readonly method: string;
  /** Path and query in their normal form, see target.ts: `/app/1234?page=2`. */
  readonly target: string;
  readonly headers: HeaderList;
  /** The raw body; empty if the message has no body. At most {@link MAX_LINK_BODY} bytes over the link. */
  readonly body: Buffer;
}

export interface GatewayResponse {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Buffer;
  /** The sender calls it once the body has left this process or never will. Idempotent. */
  readonly sent?: () => void;
}

/** What a gateway pod knows about a request besides its content. */
export interface RequestContext {
  /** When the caller stops waiting. */
  readonly deadlineAt: MonotonicTime;
  /** Aborts when the caller disconnects or the connection ends. The outcome may still be recorded. */
  readonly signal: AbortSignal;
}

/** Serves one request. It must not reject: a thrown error becomes a 500 without details. */
export type GatewayHandler = (request: GatewayRequest, context: RequestContext) => Promise<GatewayResponse>;

/** Larger bodies, and those that stream, take plain HTTP. */
export const MAX_LINK_BODY = 256 * 1024;
