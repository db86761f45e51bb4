import type { Message, Peer, WSError } from 'crossws';
import type { BotContext } from './context.ts';

type Answer<T> = T | Promise<T>;

/** Options of an accepted websocket. */
export interface WebSocketAccept {
  /** Additional headers of the 101 response. */
  readonly headers?: Readonly<Record<string, string>>;
  /** One of the subprotocols that the client offered in `Sec-WebSocket-Protocol`. */
  readonly protocol?: string;
}

/**
 * Websockets of a guild, at its owner. The hooks are those of [crossws](https://crossws.h3.dev), with the bot's context as a
 * last argument. Hooks of one connection run one after another; one that throws closes it with 1011.
 */
export interface WebSocketHandler {
  /**
   * Origins beside the bot's own whose pages may connect, such as `https://dashboard.example.com`. A browser sends cookies with a
   * websocket whichever page opens it, so pages of other sites are refused with 403. Clients other than browsers may always connect.
   */
  readonly origins?: readonly string[];
  /** The largest message in bytes; a larger one closes the connection with 1009. Default 65536. */
  readonly maxPayloadBytes?: number;
  /**
   * Decides who may connect, and where: a `Response` (404, 401) is sent instead of the websocket. `context.deadline` and
   * `context.signal` are those of the request here.
   */
  upgrade(request: Request, context: BotContext): Answer<Response | WebSocketAccept | undefined>;
  open?(peer: Peer, context: BotContext): Answer<void>;
  message?(peer: Peer, message: Message, context: BotContext): Answer<void>;
  /** The connection has ended. `code` is 1006 if the client disappeared without a close frame. */
  close?(peer: Peer, details: { code?: number; reason?: string }, context: BotContext): Answer<void>;
  /** The client broke the protocol or a limit; `close` follows. */
  error?(peer: Peer, error: WSError, context: BotContext): Answer<void>;
  /** All messages have been sent; see `peer.bufferedAmount`. */
  drain?(peer: Peer, context: BotContext): Answer<void>;
}
