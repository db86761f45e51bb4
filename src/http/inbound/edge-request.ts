import type { HeaderList } from '../../link/message.ts';
import type { MonotonicTime } from '../../time.ts';
import type { BodyUse } from './body-allowance.ts';
import type { ClientStream } from './client-stream.ts';
import type { RequestHead } from './request-head.ts';

/** A client's request, from either server, with the methods for its response. */
export interface EdgeRequest extends RequestHead {
  /** Identifies the request in the logs of every pod. */
  readonly id: string;
  readonly startedAt: MonotonicTime;
  /** The client's address. */
  readonly address: string;
  /** The status of the response: 0 before there is one, {@link CLIENT_GONE} if the client disconnected first. */
  readonly status: number;
  /**
   * Reads the whole body. It counts as held until there is a response.
   * @param pod its gateway pod, or null while unknown
   * @throws GuildwayError BODY_TOO_LARGE, OVERLOADED, CANCELLED
   */
  readBody(limit: number, kind: BodyUse['kind'], pod: number | null): Promise<Buffer>;
  /**
   * Sends a whole response. Does nothing after the first call or after the client disconnected. If unread responses leave no room, a
   * large response becomes a 503, or ends the connection if the request may have been carried out.
   * @param headers with `content-length` if known, without hop-by-hop headers
   * @param body empty for a HEAD
   */
  respond(status: number, headers: HeaderList, body: Buffer): void;
  /** Ends the connection without a response. */
  abort(): void;
  /** Cancels a forwarded request if the client disconnects before its response. At most one per request. */
  onGone(forwarded: { cancel(): void }): void;
  /** For streamed bodies; null if the response must be whole. */
  readonly stream: ClientStream | null;
}

/** The status of a disconnected client in logs and metrics. */
export const CLIENT_GONE = 499;
