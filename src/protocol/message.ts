/** What travels between an HTTP pod and a gateway pod, over the link or over plain HTTP. Nothing here depends on how. */
import type { MonotonicTime } from '../time.ts';
import type { HeaderList } from './headers.ts';

export interface GatewayRequest {
  readonly method: string;
  /** Path and query in their normal form, see target.ts: `/app/1234?page=2`. */
  readonly target: string;
  readonly headers: HeaderList;
  /** The raw body; empty where there is none. At most {@link MAX_LINK_BODY} bytes over the link. */
  readonly body: Buffer;
}

export interface GatewayResponse {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Buffer;
  /** The sender calls it when the body has left this process or never will. Idempotent. */
  readonly sent?: () => void;
}

/** What a gateway pod knows of a request beside its content. */
export interface RequestContext {
  /** When the caller stops waiting. */
  readonly deadlineAt: MonotonicTime;
  /** Aborts when the caller has gone away or the connection ended. The outcome may still be recorded. */
  readonly signal: AbortSignal;
}

/** Serves one request. It must not reject: what it throws becomes a 500 without details. */
export type GatewayHandler = (request: GatewayRequest, context: RequestContext) => Promise<GatewayResponse>;

/** Larger bodies, and those that stream, take plain HTTP. */
export const MAX_LINK_BODY = 256 * 1024;
