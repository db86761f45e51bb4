import type { HeaderList } from '../../link/message.ts';
import type { MonotonicTime } from '../../time.ts';
import type { BodyUse } from './body-allowance.ts';
import type { ClientStream } from './client-stream.ts';
import type { RequestHead } from './request-head.ts';

/** A client's request, whichever way it was read, and the way back for its response. */
export interface EdgeRequest extends RequestHead {
  /** Names it in the logs of every pod that it passes. */
  readonly id: string;
  readonly startedAt: MonotonicTime;
  /** The client's address. */
  readonly address: string;
  /** The status of the response: 0 before there is one, {@link CLIENT_GONE} if the client disconnected first. */
  readonly status: number;
  /**
   * Reads the body to its end. It counts as held until there is a response.
   * @param pod the gateway pod that it goes to, or null where that is not known yet
   * @throws GuildwayError BODY_TOO_LARGE, OVERLOADED, CANCELLED
   */
  readBody(limit: number, kind: BodyUse['kind'], pod: number | null): Promise<Buffer>;
  /**
   * Sends a whole response, once: later calls do nothing, nor does one whose client has gone away. A large one for which clients that do
   * not read leave no room becomes a 503, or the end of the connection where what was asked for may have been done.
   * @param headers with `content-length` where there is one; without those of one hop
   * @param body what is sent: empty for a HEAD
   */
  respond(status: number, headers: HeaderList, body: Buffer): void;
  /** Ends the connection without a response. */
  abort(): void;
  /** Cancels a forwarded request when the client disconnects before its response. One at most. */
  onGone(forwarded: { cancel(): void }): void;
  /** For bodies that stream; null if the response has to be whole. */
  readonly stream: ClientStream | null;
}

/** What logs and metrics say of a client that went away. */
export const CLIENT_GONE = 499;
