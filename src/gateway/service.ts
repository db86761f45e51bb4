import { setTimeout as delay } from 'node:timers/promises';
import { type Bot, manifestOf } from '../bot/define-bot.ts';
import type { Config } from '../config.ts';
import { LinkClient } from '../link/client.ts';
import type { Readiness } from '../observability/admin-server.ts';
import type { Logger } from '../observability/log.ts';
import type { Registry } from '../observability/metrics.ts';
import { gatewayUrl } from '../routing/gateway-url.ts';
import type { Topology } from '../routing/topology.ts';
import type { Service } from '../service.ts';
import { startDiscordSessions } from './discord/index.ts';
import { createDiscordRest } from './discord/rest.ts';
import type { DiscordSessions } from './discord-seam.ts';
import type { Host } from './dispatch/context.ts';
import { EventWebhookDispatch } from './dispatch/event-webhooks.ts';
import { EventDispatch } from './dispatch/events.ts';
import { FetchDispatch } from './dispatch/fetch.ts';
import { InteractionWebhook } from './dispatch/interaction-webhook.ts';
import { InteractionDispatch } from './dispatch/interactions.ts';
import { Once } from './dispatch/once.ts';
import { errorFacts } from './error-facts.ts';
import { type Faults, readFaults } from './faults.ts';
import { type HintChannel, linkChannel, localChannel } from './hints/channel.ts';
import { Deliverer } from './hints/deliverer.ts';
import { ExpiryNotice } from './hints/expiry-notice.ts';
import { HintIntake } from './hints/intake.ts';
import type { Incoming } from './incoming.ts';
import { InternalEndpoints } from './internal.ts';
import { createGatewayMetrics } from './metrics.ts';
import { misplacedRoute } from './misplaced.ts';
import { Guard } from './ownership/guard.ts';
import { Router } from './router.ts';
import { serveLink, startGatewayServer } from './server.ts';
import { startPruning } from './store/pruning.ts';
import { isMisplaced, type MisplacedStore, openStore, type Store } from './store/store.ts';

export interface GatewayServiceOptions {
  readonly config: Config;
  readonly bot: Bot;
  readonly topology: Topology;
  readonly log: Logger;
  readonly registry: Registry;
}

/** Ids that `/_guildway/guilds` answers with at most. */
const MAX_GUILDS = 100_000;
/** Handlers whose callers have gone are waited for this long when the pod drains; what they wrote is safe anyway. */
const STRAY_DRAIN_MS = 5_000;

/**
 * Starts a gateway pod: opens its database, listens, delivers what it keeps for others, and begins its Discord sessions.
 * With rows that were placed under another topology it listens but is not ready.
 * @throws GuildwayError DATABASE_LOCKED, DATABASE_CORRUPT, DATABASE_UNSAFE, STORE_FAILED, BOT_INVALID, CONFIG_INVALID; the
 *   listening error of a busy port
 */
export async function startGatewayService(options: GatewayServiceOptions): Promise<Service> {
  const { config, bot, topology, log } = options;
  const ordinal = config.ordinal ?? 0;
  const faults = readFaults(process.env);
  const store = openStore({ path: config.databasePath, ordinal, topology, bot, log, faults });
  try {
    if (isMisplaced(store)) return await startMisplaced(options, ordinal, store);
    return await startServing(options, ordinal, store, faults);
  } catch (error) {
    store.close();
    throw error;
  }
}

async function startMisplaced(
  options: GatewayServiceOptions,
  ordinal: number,
  store: MisplacedStore,
): Promise<Service> {
  const { config, bot, topology, log } = options;
  const { misplacement } = store;
  log.error({ ...misplacement.facts }, misplacement.message);
  const readiness: Readiness = { ready: false, reasons: [misplacement.message] };
  const state = () => ({ pod: ordinal, name: config.name, ...readiness, topology: topology.toRecord() });
  const route = misplacedRoute(ordinal, misplacement, state);
  const server = await startGatewayServer({ config, ordinal, topology, manifest: manifestOf(bot), route, log });
  return {
    port: server.port,
    readiness: () => readiness,
    adminRoutes: {},
    drain: () => server.drain(),
    async close() {
      await server.close();
      store.close();
    },
  };
}

async function startServing(
  options: GatewayServiceOptions,
  ordinal: number,
  store: Store,
  faults: Faults,
): Promise<Service> {
  const { config, bot, topology, log, registry } = options;
  const metrics = createGatewayMetrics(registry);
  const rest = createDiscordRest({ config, topology, log });
  const webhook = new InteractionWebhook(config.discordApiUrl);
  const host: Host = { pod: ordinal, store, rest, log };
  const once = new Once({ ledger: store.ledger, faults, log });
  const events = new EventDispatch({ bot, host, faults, metrics });
  const manifest = manifestOf(bot);
  let sessions: DiscordSessions | null = null;
  const routeOptions = { route: (incoming: Incoming) => router.route(incoming), log };

  const deliverer = new Deliverer({
    store: store.hints,
    topology,
    channelTo: (owner) => channelTo(options, ordinal, owner, routeOptions),
    notice: new ExpiryNotice({ webhook, log }),
    ratePerSecond: config.hintRatePerSecond,
    metrics,
    faults,
    log,
  });
  const intake = new HintIntake({
    store: store.hints,
    limits: { maxCount: config.hintMaxCount, maxBytes: config.hintMaxBytes, minFreeBytes: config.hintMinFreeBytes },
    databasePath: config.databasePath,
    onStored: (entry) => deliverer.add(entry),
    faults,
    log,
  });

  const readiness = (): Readiness => {
    const { fatal } = store.connection;
    const discord = sessions?.readiness() ?? { ready: true, reasons: [] };
    return {
      ready: fatal === null && discord.ready,
      reasons: [...(fatal === null ? [] : [fatal.message]), ...discord.reasons],
    };
  };
  const router: Router = new Router({
    ordinal,
    guard: new Guard({ ordinal, topology, routes: bot.routes ?? [] }),
    interactions: new InteractionDispatch({ bot, host, once, webhook }),
    eventWebhooks: new EventWebhookDispatch({ bot, host, once }),
    fetch: new FetchDispatch({ bot, host, once }),
    internal: new InternalEndpoints({
      state: () => ({
        pod: ordinal,
        name: config.name,
        ...readiness(),
        incarnation: store.incarnation,
        topology: topology.toRecord(),
        database: store.sizes(),
        hints: { count: store.hints.count, bytes: store.hints.bytes },
        discord: sessions?.state() ?? null,
      }),
      guilds: () => [...new Set([...(sessions?.guildIds() ?? []), ...store.guilds.list(MAX_GUILDS)])].toSorted(),
      intake,
      identify: () => sessions && ((request, context) => (sessions as DiscordSessions).identify(request, context)),
    }),
    unavailable: () => store.connection.fatal?.message ?? null,
    maxBodyBytes: config.maxBodyBytes,
    metrics,
    log,
  });
  metrics.watch({
    replays: () => once.replays,
    sizes: () => store.sizes(),
    hints: () => summarize(deliverer),
  });

  const server = await startGatewayServer({ config, ordinal, topology, manifest, log, route: routeOptions.route });
  const stopPruning = startPruning(store.ledger, log);
  const stopCatching = catchStrayRejections(log);
  deliverer.start();
  const close = async (): Promise<void> => {
    stopPruning();
    stopCatching();
    deliverer.close();
    webhook.close();
    await server.close();
    await sessions?.close();
    store.close();
  };
  try {
    if (config.discordToken !== null) {
      sessions = await startDiscordSessions({
        config,
        bot,
        topology,
        ordinal,
        sessions: store.sessions,
        dispatch: (event) => events.dispatch(event),
        rest,
        log,
        registry,
      });
    }
  } catch (error) {
    await close();
    throw error;
  }

  let drained: Promise<void> | null = null;
  return {
    port: server.port,
    readiness,
    adminRoutes: {
      '/hints': () => ({ count: store.hints.count, bytes: store.hints.bytes, owners: deliverer.summary() }),
      '/ledger': () => ({ running: once.running, replays: once.replays, kinds: store.ledger.count() }),
    },
    drain() {
      drained ??= (async () => {
        await Promise.all([deliverer.drain(), server.drain()]);
        for (let waitedMs = 0; once.running > 0 && waitedMs < STRAY_DRAIN_MS; waitedMs += 20) await delay(20);
        await sessions?.drain();
      })();
      return drained;
    },
    close,
  };
}

/** The way from this pod's hints to their owner, which may be itself. */
function channelTo(
  { config, topology, log }: GatewayServiceOptions,
  ordinal: number,
  owner: number,
  local: Parameters<typeof serveLink>[0],
): HintChannel {
  if (owner === ordinal) {
    const { signal } = new AbortController();
    return localChannel((request, deadlineAt) => serveLink(local, request, { deadlineAt, signal }));
  }
  const link = new LinkClient({
    url: gatewayUrl(config.gatewayUrlTemplate, owner),
    ordinal: owner,
    secret: config.linkSecret ?? '',
    topology,
    name: config.name,
    heartbeatMs: config.linkHeartbeatMs,
    connectTimeoutMs: config.connectTimeoutMs,
    maxInFlight: config.linkMaxInFlight,
    log,
  });
  return linkChannel(link);
}

function summarize(deliverer: Deliverer): { byOwner: ReadonlyMap<number, number>; oldestSeconds: number } {
  const lanes = deliverer.summary();
  return {
    byOwner: new Map(lanes.map(({ owner, count }) => [owner, count])),
    oldestSeconds: Math.max(0, ...lanes.map(({ oldestSeconds }) => oldestSeconds)),
  };
}

/**
 * A handler that does not wait for its own promise must not end the pod of all its guilds when that one is rejected. What is
 * thrown outside any promise still does: nobody knows what state it leaves behind. @returns a function that stops it
 */
function catchStrayRejections(log: Logger): () => void {
  const onRejection = (reason: unknown): void =>
    log.error({ err: errorFacts(reason) }, 'a promise was rejected that nobody waits for');
  process.on('unhandledRejection', onRejection);
  return () => process.off('unhandledRejection', onRejection);
}
