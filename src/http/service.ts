import { type AddressInfo, Server as NetServer } from 'node:net';
import type { BotManifest } from '../bot/types.ts';
import type { HttpConfig } from '../config/load.ts';
import { listen } from '../listen.ts';
import type { AdminRoute, Readiness } from '../observability/admin-server.ts';
import type { Logger } from '../observability/log.ts';
import { Gauge, type Registry } from '../observability/metrics.ts';
import { ThrottledLog } from '../observability/throttled-log.ts';
import { gatewayUrl } from '../routing/gateway-url.ts';
import { createRouteTable, DEFAULT_ROUTES } from '../routing/route-table.ts';
import type { Topology } from '../routing/topology.ts';
import type { Service } from '../service.ts';
import { type Duration, nearestNow } from '../time.ts';
import { Edge } from './edge.ts';
import { SignatureVerifier } from './endpoints/discord-signature.ts';
import { Endpoints } from './endpoints/endpoints.ts';
import { InteractionEndpoint } from './endpoints/interaction.ts';
import { Upgrades } from './endpoints/upgrades.ts';
import { WebhookEndpoints } from './endpoints/webhooks.ts';
import { BodyReader } from './inbound/body.ts';
import { createRequestHeaders } from './inbound/headers.ts';
import { Proxies } from './inbound/proxies.ts';
import { HttpMetrics } from './metrics/http-metrics.ts';
import { Breaker } from './outbound/breaker.ts';
import { fanOut } from './outbound/fan-out.ts';
import { createSharedLookup } from './outbound/lookup.ts';
import { OwnerClient } from './outbound/owner-client.ts';
import { RetryBudget } from './outbound/retry-budget.ts';
import { StandIns } from './outbound/stand-ins.ts';
import { Upstream } from './outbound/upstream.ts';
import { Upstreams } from './outbound/upstreams.ts';

/** The interval of checks for idle connections at the end of the drain. */
const LOOK_MS = 100;
/** The limit for buffered request bodies of all connections: far more than normal load needs, far less than a pod's memory. */
const MAX_HELD_BODIES = 64 * 1024 * 1024;
/** The share of DRAIN_TIMEOUT_MS for clients. The rest is for a monolith's gateway service and for closing. */
const DRAIN_SHARE = 0.75;

export interface HttpServiceOptions {
  readonly config: HttpConfig;
  readonly manifest: BotManifest;
  readonly topology: Topology;
  readonly log: Logger;
  readonly registry: Registry;
}

/** Starts the stateless HTTP service. Resolves when it listens. @throws the listening error */
export async function startHttpService({
  config,
  manifest,
  topology,
  log,
  registry,
}: HttpServiceOptions): Promise<Service> {
  const metrics = new HttpMetrics(registry);
  const throttledLog = new ThrottledLog(log);
  const lookup = createSharedLookup();
  const upstreams: Upstreams = new Upstreams({
    topology,
    askTimeoutMs: config.connectTimeoutMs,
    log: throttledLog,
    make: (ordinal) =>
      new Upstream({
        url: gatewayUrl(config.gatewayUrlTemplate, ordinal),
        ordinal,
        secret: config.linkSecret,
        topology: () => upstreams.topology,
        onPeer: (peer) => upstreams.connected(ordinal, peer.topology),
        name: config.name,
        heartbeatMs: config.linkHeartbeatMs,
        connectTimeoutMs: config.connectTimeoutMs,
        lookup,
        maxInFlight: config.linkMaxInFlight,
        breaker: new Breaker({ failures: config.breakerFailures, openMs: config.breakerOpenMs }),
        log,
      }),
  });
  const owners = new OwnerClient({
    ...{ upstreams, metrics, log: throttledLog },
    retries: new RetryBudget(config.retryBudgetPercent),
    retryBaseMs: config.retryBaseMs,
  });
  const bodies = new BodyReader(MAX_HELD_BODIES);
  const standIns = new StandIns({ upstreams, metrics, log: throttledLog });
  const proxies = new Proxies(config.trustedProxies);
  const headersFor = createRequestHeaders(proxies);
  const verifier = new SignatureVerifier(config.discordPublicKey, config.signatureMaxAgeMs, nearestNow, throttledLog);
  // A pod's manifest takes precedence over the local module, which may be another version during an update.
  const currentManifest = (): BotManifest =>
    upstreams.list.find(({ link }) => link?.state === 'ready')?.link?.peer?.manifest ?? manifest;
  const routes = createRouteTable([...manifest.routes, ...DEFAULT_ROUTES]);
  const endpoints = new Endpoints({
    ...{ config, routes, owners, upstreams, headersFor, metrics, log, throttledLog },
    interactions: new InteractionEndpoint({
      config,
      owners,
      standIns,
      verifier,
      headersFor,
      manifest: currentManifest,
      metrics,
      log: throttledLog,
    }),
    webhooks: new WebhookEndpoints({ config, owners, standIns, verifier, headersFor, metrics, log: throttledLog }),
  });
  const upgrades = new Upgrades({
    ...{ routes, owners, headersFor, metrics, log: throttledLog },
    ...{ httpPod: config.name, requestTimeoutMs: config.requestTimeoutMs },
  });
  const edge = new Edge({ config, endpoints, upgrades, bodies, clientOf: proxies.clientOf, log });
  registerGauges(registry, upstreams.list);
  const { server } = edge;
  await listen(server, { port: config.port, host: config.host, variable: 'PORT' });
  // Connects in advance, so that the first request need not wait. The pod is not ready before every upstream was tried
  // (CONNECT_TIMEOUT_MS at most). Otherwise a new pod would defer interactions that older pods handle at once.
  await upstreams.open();

  let drained: Promise<void> | null = null;
  return {
    port: (server.address() as AddressInfo).port,
    readiness: () => readiness(upstreams.list),
    adminRoutes: adminRoutes(upstreams, config),
    adminActions: {},
    drain() {
      drained ??= drain(edge, config.idleDrainMs, config.drainTimeoutMs * DRAIN_SHARE);
      return drained;
    },
    async close() {
      NetServer.prototype.close.call(server);
      edge.closeConnections();
      await upstreams.close();
    },
  };
}

/**
 * Stops accepting connections. Resolves when the last connection has ended. From now on every response closes its connection.
 * @param idleMs during this time, an idle connection may carry one more request
 * @param limitMs after this time, remaining connections (event streams, websockets) are ended
 */
function drain(edge: Edge, idleMs: Duration, limitMs: Duration): Promise<void> {
  const { server } = edge;
  edge.drain();
  return new Promise((resolve) => {
    let lingered: NodeJS.Timeout;
    // Not in the timer itself: in a busy process the timer may fire before a request that has already arrived is read, and cut it off.
    const closeIdle = (): NodeJS.Immediate => setImmediate(() => edge.closeIdleConnections());
    const linger = setTimeout(() => {
      closeIdle();
      lingered = setInterval(closeIdle, LOOK_MS);
    }, idleMs);
    const limit = setTimeout(() => edge.closeConnections(), limitMs);
    // Not the HTTP server's close(), which ends idle connections at once and with them requests in transit.
    NetServer.prototype.close.call(server, () => {
      clearTimeout(linger);
      clearInterval(lingered);
      clearTimeout(limit);
      resolve();
    });
  });
}

/**
 * An HTTP pod is ready if it reaches at least one gateway pod. A single absent owner must not take all HTTP pods out of service.
 */
function readiness(upstreams: readonly Upstream[]): Readiness {
  const reasons = upstreams.flatMap(({ unreachable }) => unreachable ?? []);
  return { ready: reasons.length < upstreams.length, reasons };
}

function adminRoutes(upstreams: Upstreams, config: HttpConfig): Record<string, AdminRoute> {
  const ask =
    (target: string): AdminRoute =>
    async () =>
      fanOut(
        await upstreams.every(),
        { method: 'GET', target, headers: [], body: Buffer.alloc(0) },
        { timeoutMs: config.connectTimeoutMs * 2, awayMs: config.connectTimeoutMs },
      );
  return { '/pods': ask('/_guildway/state'), '/guilds': ask('/_guildway/guilds') };
}

function registerGauges(registry: Registry, upstreams: readonly Upstream[]): void {
  const registers = [registry];
  new Gauge({
    name: 'guildway_link_state',
    help: 'State of the link to each gateway pod: 1 for the state it is in.',
    labelNames: ['pod', 'state'],
    registers,
    collect() {
      this.reset();
      for (const { ordinal, link } of upstreams) this.set({ pod: String(ordinal), state: link?.state ?? 'plain' }, 1);
    },
  });
  new Gauge({
    name: 'guildway_link_in_flight',
    help: 'Requests in flight on the link to each gateway pod.',
    labelNames: ['pod'],
    registers,
    collect() {
      this.reset();
      for (const { ordinal, link } of upstreams) this.set({ pod: String(ordinal) }, link?.inFlight ?? 0);
    },
  });
  new Gauge({
    name: 'guildway_breaker_state',
    help: 'Breaker of each gateway pod: 0 closed, 1 half open, 2 open.',
    labelNames: ['pod'],
    registers,
    collect() {
      this.reset();
      for (const { ordinal, breaker } of upstreams) {
        this.set({ pod: String(ordinal) }, { closed: 0, 'half-open': 1, open: 2 }[breaker.state]);
      }
    },
  });
}
