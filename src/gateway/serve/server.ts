import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { BotManifest } from '../../bot/types.ts';
import type { GatewayConfig } from '../../config/load.ts';
import { verifyPlainRequest } from '../../link/auth.ts';
import { MAX_RESPONSE_BODY } from '../../link/frames.ts';
import { type GatewayRequest, type GatewayResponse, HEADER, type RequestContext } from '../../link/message.ts';
import { attachLinkServer } from '../../link/server.ts';
import { listen } from '../../listen.ts';
import { createServer } from '../../node-http.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import type { Logger } from '../../observability/log.ts';
import type { TopologyRecord } from '../../routing/topology.ts';
import { before } from '../../time.ts';
import { collect, isStreamed, type Reply } from '../dispatch/reply.ts';
import { problem } from '../dispatch/responses.ts';
import { refuseUpgrade } from '../websocket/refuse.ts';
import type { Upgrades } from '../websocket/upgrades.ts';
import { type Incoming, incomingMessage } from './incoming.ts';
import { plainRequest } from './plain-request.ts';
import { sendStream, sendWhole } from './response-writer.ts';

export interface GatewayServerOptions {
  readonly config: Pick<
    GatewayConfig,
    | ('host' | 'port' | 'maxConnections' | 'maxBodyBytes' | 'streamDrainMs')
    | ('headersTimeoutMs' | 'bodyTimeoutMs' | 'keepAliveMs' | 'requestTimeoutMs' | 'connectTimeoutMs')
    | ('linkSecret' | 'linkHeartbeatMs' | 'linkMaxInFlight')
  >;
  readonly ordinal: number;
  /** The newest topology that this pod knows. */
  readonly topology: () => TopologyRecord;
  readonly manifest: BotManifest;
  /** Serves a request. Must not reject. */
  readonly route: (incoming: Incoming) => Promise<Reply>;
  /** Takes all upgrades except the link's. */
  readonly upgrades: Upgrades;
  readonly log: Logger;
}

export interface GatewayServer {
  readonly port: number;
  /** Takes no new requests. Resolves when the requests in flight have their responses. */
  drain(): Promise<void>;
  /** Closes all connections at once. */
  close(): Promise<void>;
}

/** Connections beyond MAX_CONNECTIONS, for links only. */
const LINK_RESERVE = 64;
/** How often Node checks the time limits of connections. Its default is 30 s. */
const CHECK_MS = 1_000;
/** How long a connection without a request may stay open while the pod drains: a request may be on its way. */
const SILENT_DRAIN_MS = 1_000;
/** The last part of a request's time, reserved for the response that says that the bot's response does not end. */
const ANSWER_MS = 100;

/**
 * Starts the pod's only port: the link, and plain HTTP for large bodies and streams.
 * @throws the listening error, such as EADDRINUSE
 */
export async function startGatewayServer(options: GatewayServerOptions): Promise<GatewayServer> {
  const { config, ordinal, route, upgrades, log } = options;
  const streams = new Set<ServerResponse>();
  /** Connections whose current request has not arrived, or has its response. Node's own close() waits for those that are silent. */
  const silent = new Set<Duplex>();
  /** Connections that have never brought a request, oldest first. */
  const unproven = new Set<Duplex>();
  let draining = false;

  const server = createServer(
    {
      optimizeEmptyRequests: true,
      connectionsCheckingInterval: CHECK_MS,
      keepAliveTimeout: config.keepAliveMs,
      headersTimeout: config.headersTimeoutMs,
      // The timeout of the HTTP pod that forwards an upload must fire first. Its check may be late by an interval.
      requestTimeout: Math.max(config.bodyTimeoutMs, config.headersTimeoutMs) + 2 * CHECK_MS,
      noDelay: true,
    },
    (request, response) => {
      const { socket } = request;
      silent.delete(socket);
      unproven.delete(socket);
      response.once('close', () => {
        if (!socket.destroyed) silent.add(socket);
      });
      const refusal = admit(request);
      closeWhileDraining(request, response);
      if (refusal !== null) {
        sendWhole(response, refusal, request.method);
        return;
      }
      const incoming = plainRequest(request, response, config.maxBodyBytes, config.requestTimeoutMs);
      const answer = async (): Promise<void> => {
        const reply = await route(incoming);
        closeWhileDraining(request, response);
        if (isStreamed(reply)) {
          streams.add(response);
          await sendStream(response, reply, request.method, log);
          streams.delete(response);
        } else sendWhole(response, reply, request.method);
      };
      answer().catch((error: unknown) => {
        log.error({ err: errorFacts(error) }, 'a response could not be sent');
        response.destroy();
      });
    },
  );
  // Event streams and websockets may last for hours. Even with MAX_CONNECTIONS of them, a new HTTP pod gets its link.
  server.maxConnections = config.maxConnections + LINK_RESERVE;
  let open = 0;
  const forLinks = new WeakSet<Duplex>();
  server.on('connection', (socket) => {
    if (++open > config.maxConnections) forLinks.add(socket);
    // Without this, connections that bring no request could use up the reserve. The next one may be a link.
    if (open === server.maxConnections) for (const oldest of unproven.values().take(1)) oldest.destroy();
    silent.add(socket);
    unproven.add(socket);
    socket.once('close', () => {
      open--;
      silent.delete(socket);
      unproven.delete(socket);
    });
  });
  server.on('upgrade', ({ socket }) => {
    silent.delete(socket);
    unproven.delete(socket);
  });

  /** An open connection would keep the pod from ending. */
  function closeWhileDraining(request: IncomingMessage, response: ServerResponse): void {
    if (draining || forLinks.has(request.socket)) response.shouldKeepAlive = false;
  }

  function admit(request: IncomingMessage): GatewayResponse | null {
    if (draining) return refuse(503, 'this pod is shutting down');
    if (forLinks.has(request.socket)) return refuse(503, `this pod has ${config.maxConnections} connections already`);
    return authorize(request);
  }

  /** Null: the sender is a pod and meant this one. */
  function authorize(request: IncomingMessage): GatewayResponse | null {
    const header = request.headers[HEADER.auth];
    const caller = verifyPlainRequest(
      config.linkSecret,
      typeof header === 'string' ? header : undefined,
      request.method ?? '',
      request.url ?? '',
    );
    if (caller === null) return refuse(401, `${HEADER.auth}: missing or wrong`);
    if (caller.dialled === ordinal) return null;
    log.warn({ dialled: caller.dialled, ordinal }, 'a request was meant for another pod');
    return refuse(421, `this is gateway-${ordinal}, not gateway-${caller.dialled}`);
  }

  const link = attachLinkServer(server, {
    ordinal,
    secret: config.linkSecret,
    topology: options.topology,
    manifest: options.manifest,
    handler: (request, context) => serveWhole(options, request, context),
    heartbeatMs: config.linkHeartbeatMs,
    helloTimeoutMs: config.connectTimeoutMs,
    maxInFlight: config.linkMaxInFlight,
    log,
    onOtherUpgrade(request, socket, head) {
      const refusal = admit(request);
      if (refusal === null) upgrades.take(request, socket, head);
      else refuseUpgrade(socket, refusal);
    },
  });

  await listen(server, { port: config.port, host: config.host, variable: 'PORT' });
  let closed: Promise<void> | null = null;
  const stopListening = (): Promise<void> => {
    closed ??= new Promise((resolve) => server.close(() => resolve()));
    return closed;
  };
  return {
    port: (server.address() as AddressInfo).port,
    async drain() {
      draining = true;
      upgrades.drain();
      // Server-sent events do not end on their own.
      const cut = setTimeout(() => {
        for (const response of streams) response.destroy();
        upgrades.close();
      }, config.streamDrainMs).unref();
      const endSilent = setTimeout(() => {
        for (const socket of silent) socket.destroy();
      }, SILENT_DRAIN_MS).unref();
      await Promise.all([stopListening(), link.drain()]);
      clearTimeout(cut);
      clearTimeout(endSilent);
    },
    async close() {
      draining = true;
      link.close();
      upgrades.close();
      const stopped = stopListening();
      server.closeAllConnections();
      await stopped;
    },
  };
}

/**
 * A refusal before the pod looks at the request. Its header marks it as the pod's own, so that an HTTP pod can tell it from a
 * bot's 401 or 503. It also tells a 421 for the wrong pod from a 421 for the wrong guild, which names the owner. Nothing was
 * done.
 */
function refuse(status: 401 | 421 | 503, why: string): GatewayResponse {
  return problem(status, why, [HEADER.refusal, why]);
}

/** Serves a request with a whole response, for the link and for requests of this pod to itself. */
export async function serveWhole(
  { route, log }: Pick<GatewayServerOptions, 'route' | 'log'>,
  request: GatewayRequest,
  context: RequestContext,
): Promise<GatewayResponse> {
  const reply = await route(incomingMessage(request, context));
  if (!isStreamed(reply)) return reply;
  const { status, headers, stream, lease } = reply;
  let collected: Awaited<ReturnType<typeof collect>>;
  try {
    collected = await collect(stream, MAX_RESPONSE_BODY, before(context.deadlineAt, ANSWER_MS), lease);
  } catch (error) {
    lease?.end();
    throw error;
  }
  if (collected.kind === 'whole') {
    await reply.durable?.();
    return { status, headers, body: collected.body, ...(lease === undefined ? {} : { sent: lease.end }) };
  }
  lease?.end();
  const path = request.target.split('?', 1)[0];
  const why = collected.kind === 'too-large' ? `longer than ${MAX_RESPONSE_BODY} bytes` : 'not finished in time';
  log.error({ path }, `a response was ${why}: declare its route in the bot with stream: true`);
  return problem(500, `the response is ${why}`);
}
