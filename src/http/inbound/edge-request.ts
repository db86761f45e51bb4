import type { HeaderList } from '../../link/message.ts';
import type { Duration, MonotonicTime } from '../../time.ts';
import type { Outcome } from '../outbound/call.ts';
import type { Upstream } from '../outbound/upstream.ts';
import type { BodyUse } from './body-allowance.ts';
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
  /** Has a call cancelled when the client goes away before its response. One call at most. */
  onGone(call: { cancel(): void }): void;
  /**
   * Makes one attempt at a gateway pod over plain HTTP.
   * @param body null: it streams from the client
   * @throws DispatchError
   */
  overPlain(upstream: Upstream, headers: HeaderList, body: Buffer | null, timeoutMs: Duration): Promise<Outcome>;
}

/** What logs and metrics say of a client that went away. */
export const CLIENT_GONE = 499;
