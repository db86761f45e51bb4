import type { Peer } from 'crossws';
import type { WebSocket } from 'ws';
import type { WebSocketAccept } from '../../bot/websocket.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import type { HandlerContext } from '../dispatch/context.ts';

/** The most messages of a connection that wait for the bot. Beyond that, the pod stops reading from the client. */
const MAX_WAITING = 16;
/** RFC 6455, 7.4.1: an unexpected condition prevented the server from going on. */
const INTERNAL_ERROR = 1011;

type Hook = () => unknown;

/** A websocket: runs the bot's hooks one after another. Closes the connection if one fails. */
export class Connection {
  readonly context: HandlerContext;
  /** The request as the bot saw it in `upgrade`. */
  readonly request: Request;
  readonly accept: WebSocketAccept;
  /** Set after the handshake, before the first hook runs. */
  websocket: WebSocket | null = null;
  readonly #ended = new AbortController();
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;
  /** Sends that wait for a commit. */
  #held = 0;
  #leaving: Promise<void> = Promise.resolve();
  #failed = false;

  /** @param contextOf creates the context of the hooks; its signal aborts when the connection ends */
  constructor(request: Request, accept: WebSocketAccept, contextOf: (ended: AbortSignal) => HandlerContext) {
    this.request = request;
    this.accept = accept;
    this.context = contextOf(this.#ended.signal);
  }

  /** From now on, messages from the bot are sent in order, each after the bot's earlier writes are on disk. */
  holdBack(peer: Peer): void {
    const [send, publish] = [peer.send.bind(peer), peer.publish.bind(peer)];
    const held = {
      send: (...values: Parameters<Peer['send']>) => this.#afterCommit(() => send(...values)),
      publish: (...values: Parameters<Peer['publish']>) => void this.#afterCommit(() => publish(...values)),
    };
    Object.defineProperties(peer, { send: { value: held.send }, publish: { value: held.publish } });
  }

  #afterCommit<Result>(leave: () => Result): Result | undefined {
    if (this.#held === 0 && this.context.settled) return leave();
    this.#held++;
    this.#leaving = this.#leaving.then(async () => {
      try {
        await this.context.durable();
        leave();
      } catch (error) {
        this.#fail(error);
      }
      this.#held--;
    });
    return undefined;
  }

  /** Runs a hook after the ones before it. After a failure only `close` runs. */
  run(hook: Hook): void {
    if (++this.#waiting === MAX_WAITING) this.websocket?.pause();
    this.#last = this.#last.then(async () => {
      try {
        if (!this.#failed) await hook();
      } catch (error) {
        this.#fail(error);
      }
      if (this.#waiting-- === MAX_WAITING) this.websocket?.resume();
    });
  }

  /** Runs the bot's last hook after the connection has ended. */
  end(hook: Hook): void {
    this.#ended.abort();
    this.#last = this.#last.then(async () => {
      try {
        await hook();
      } catch (error) {
        this.context.log.error({ err: errorFacts(error) }, 'the websocket handler failed on close');
      }
    });
  }

  #fail(error: unknown): void {
    this.#failed = true;
    this.context.log.error({ err: errorFacts(error) }, 'the websocket handler failed');
    this.websocket?.close(INTERNAL_ERROR, 'internal error');
  }
}
