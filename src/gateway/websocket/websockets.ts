import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import crossws, { type NodeAdapter, type NodeOptions } from 'crossws/adapters/node';
import type { WebSocket } from 'ws';
import type { WebSocketAccept, WebSocketHandler } from '../../bot/websocket.ts';
import { isCrossSite } from '../../cross-site.ts';
import { MAX_RESPONSE_BODY } from '../../link/frames.ts';
import type { GatewayResponse, HeaderList } from '../../link/message.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import { before, type MonotonicTime, NEVER, remaining } from '../../time.ts';
import { HandlerContext, type Host } from '../dispatch/context.ts';
import { collect } from '../dispatch/reply.ts';
import { problem } from '../dispatch/responses.ts';
import { fromWebHeaders, toWebRequest } from '../dispatch/web-request.ts';
import { NO_MEMO } from '../store/ledger.ts';
import { createBoundedServer } from './bounded-server.ts';
import { Connection } from './connection.ts';
import { refuseUpgrade } from './refuse.ts';

/** The default limit of a client's message, in bytes. */
const MAX_PAYLOAD = 64 * 1024;
/** The service restarts; the client may connect again at once (IANA's registry of close codes). */
const SERVICE_RESTART = 1012;
/** The last part of a request's time, reserved for the response that says that the bot does not answer. */
const ANSWER_MS = 100;
/** crossws shares topics among the connections of a namespace. Connections without a guild need a namespace too. */
const NO_GUILD = 'no guild';

/** An upgrade that belongs to this pod. */
export interface AdmittedUpgrade {
  /** Path and query. */
  readonly target: string;
  readonly headers: HeaderList;
  readonly guildId: string | null;
  readonly requestId: string;
  readonly deadlineAt: MonotonicTime;
}

/** The bot's websockets: opens them, runs the bot's hooks, and closes them when the pod ends. */
export class WebSockets {
  readonly #handler: WebSocketHandler;
  readonly #host: Host;
  readonly #adapter: NodeAdapter;
  readonly #server: ReturnType<typeof createBoundedServer>;
  /** Keyed by the context object that crossws carries from a request to its connection. */
  readonly #connections = new WeakMap<object, Connection>();
  /** Of requests with a handshake in flight. */
  readonly #opening = new WeakMap<IncomingMessage, Connection>();
  #draining = false;

  constructor({ handler, host }: { handler: WebSocketHandler; host: Host }) {
    this.#handler = handler;
    this.#host = host;
    this.#server = createBoundedServer(handler.maxPayloadBytes ?? MAX_PAYLOAD, () =>
      host.log.warn('a websocket client does not read: disconnected'),
    );
    this.#server.on('connection', (websocket: WebSocket, request) => {
      const connection = this.#opening.get(request);
      if (connection !== undefined) connection.websocket = websocket;
    });
    const connectionOf = (of: object): Connection => this.#connections.get(contextOf(of)) as Connection;
    this.#adapter = crossws({
      // crossws bundles a copy of ws with types of its own.
      wss: this.#server as unknown as NonNullable<NodeOptions['wss']>,
      getNamespace: (request) => connectionOf(request).context.guildId ?? NO_GUILD,
      hooks: {
        // The bot has decided already. This passes on the headers of its response.
        upgrade: (request) => connectionOf(request).accept,
        open(peer) {
          const connection = connectionOf(peer);
          const { request, context } = connection;
          // The bot's headers, without internal ones.
          Object.defineProperty(peer, 'request', { value: request });
          connection.holdBack(peer);
          connection.run(() => handler.open?.(peer, context));
        },
        message(peer, message) {
          const connection = connectionOf(peer);
          connection.run(() => handler.message?.(peer, message, connection.context));
        },
        drain(peer) {
          const connection = connectionOf(peer);
          if (handler.drain !== undefined) connection.run(() => handler.drain?.(peer, connection.context));
        },
        error(peer, error) {
          const connection = connectionOf(peer);
          connection.context.log.debug({ err: errorFacts(error) }, 'a websocket client broke the protocol or a limit');
          connection.run(() => handler.error?.(peer, error, connection.context));
        },
        close(peer, details) {
          const connection = connectionOf(peer);
          connection.end(() => handler.close?.(peer, details, connection.context));
        },
      },
    });
  }

  get open(): number {
    return this.#server.clients.size;
  }

  /** Asks the bot, then opens the connection or refuses it. Never rejects. @returns the status that was sent */
  async upgrade(message: IncomingMessage, socket: Duplex, head: Buffer, upgrade: AdmittedUpgrade): Promise<number> {
    const answer = await this.#ask(socket, upgrade);
    const refusal = this.#draining ? problem(503, 'this pod is shutting down', ['retry-after', '1']) : answer;
    if ('status' in refusal) {
      refuseUpgrade(socket, refusal);
      return refusal.status;
    }
    const { request, accept } = refusal;
    const connection = new Connection(request, accept, (ended) => this.#contextOf(upgrade, NEVER, ended));
    const carried = {};
    this.#connections.set(carried, connection);
    this.#opening.set(message, connection);
    await this.#adapter.handleUpgrade(message, socket, head, Object.assign(request, { context: carried }));
    return 101;
  }

  /** Opens no more websockets, and tells every client to reconnect. */
  drain(): void {
    this.#draining = true;
    this.#adapter.closeAll(SERVICE_RESTART, 'service restart');
  }

  /** Tells the clients of guilds that have moved to reconnect: they find the new owner. */
  closeGuilds(guildIds: ReadonlySet<string>): void {
    for (const guildId of guildIds) {
      for (const peer of this.#adapter.peers.get(guildId) ?? []) peer.close(SERVICE_RESTART, 'service restart');
    }
  }

  /** Ends every connection at once. */
  close(): void {
    this.#draining = true;
    this.#adapter.closeAll(undefined, undefined, true);
    this.#server.close();
  }

  /** The result of the bot's `upgrade`. */
  async #ask(
    socket: Duplex,
    upgrade: AdmittedUpgrade,
  ): Promise<GatewayResponse | { readonly request: Request; readonly accept: WebSocketAccept }> {
    const { target, headers, deadlineAt } = upgrade;
    const gone = new AbortController();
    const abort = (): void => gone.abort();
    socket.once('close', abort);
    const context = this.#contextOf(upgrade, deadlineAt, gone.signal);
    try {
      const request = toWebRequest({ method: 'GET', target, headers, body: null, signal: gone.signal });
      const { host } = new URL(request.url);
      if (isCrossSite((name) => request.headers.get(name), host, this.#handler.origins)) {
        return problem(403, 'a page of another site cannot open a websocket here');
      }
      const given = await inTime(this.#handler.upgrade(request, context), before(deadlineAt, ANSWER_MS));
      if (given === LATE) return problem(504, 'the handler did not answer in time');
      return given instanceof Response ? await wholeResponse(given, deadlineAt) : { request, accept: given ?? {} };
    } catch (error) {
      context.log.error({ err: errorFacts(error) }, 'the websocket handler failed');
      return problem(500, `something went wrong; reference ${upgrade.requestId}`);
    } finally {
      socket.off('close', abort);
    }
  }

  #contextOf({ guildId, requestId }: AdmittedUpgrade, deadlineAt: MonotonicTime, signal: AbortSignal): HandlerContext {
    const memo = NO_MEMO;
    return new HandlerContext(this.#host, {
      guildId,
      requestId,
      durability: 'full',
      memo,
      deadlineAt,
      signal: () => signal,
    });
  }
}

/** The object that crossws carries from a request to its peer. */
const contextOf = (of: object): object => (of as { context: object }).context;

const LATE = Symbol('late');

async function inTime<T>(work: T | Promise<T>, deadlineAt: MonotonicTime): Promise<T | typeof LATE> {
  const { promise: late, resolve } = Promise.withResolvers<typeof LATE>();
  const timer = setTimeout(resolve, Math.max(0, remaining(deadlineAt)), LATE).unref();
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** @throws RangeError for a status that is not a refusal; the error of the body */
async function wholeResponse({ status, headers, body }: Response, deadlineAt: MonotonicTime): Promise<GatewayResponse> {
  if (!(status >= 300 && status <= 599))
    throw new RangeError(`status ${status} refuses no websocket; return nothing to accept it`);
  const list = fromWebHeaders(headers);
  if (body === null) return { status, headers: list, body: Buffer.alloc(0) };
  const collected = await collect(body, MAX_RESPONSE_BODY, deadlineAt);
  if (collected.kind !== 'whole') throw new Error(`the response that refuses a websocket is ${collected.kind}`);
  return { status, headers: list, body: collected.body };
}
