import { setTimeout as delay } from 'node:timers/promises';
import type { Bot } from '../bot/define-bot.ts';
import { GuildwayError } from '../errors.ts';
import type { Readiness } from '../observability/admin-server.ts';
import type { Service } from '../service.ts';
import { type Admitted, admit, type Serving } from './admission.ts';
import type { Beside } from './beside/index.ts';
import { startDiscordSessions } from './discord/index.ts';
import { Peers } from './discord/peers.ts';
import { createDiscordRest } from './discord/rest.ts';
import type { DiscordSessions, DispatchSink, EventHandover } from './discord-seam.ts';
import type { Host } from './dispatch/context.ts';
import { EventWebhookDispatch } from './dispatch/event-webhooks.ts';
import { EventDispatch } from './dispatch/events.ts';
import { FetchDispatch } from './dispatch/fetch.ts';
import { ForwardedEvents } from './dispatch/forwarded-events.ts';
import { GatewayInteractions } from './dispatch/gateway-interactions.ts';
import { IdempotentRunner } from './dispatch/idempotent-runner.ts';
import { InteractionWebhook } from './dispatch/interaction-webhook.ts';
import { InteractionDispatch } from './dispatch/interactions.ts';
import { BotLifetime } from './dispatch/lifetime.ts';
import type { Reply } from './dispatch/reply.ts';
import { failed } from './dispatch/responses.ts';
import { type Faults, readFaults } from './faults.ts';
import { hintActions } from './hints/admin.ts';
import { createEventForwarder } from './hints/event-forwarder.ts';
import { createHints } from './hints/hints.ts';
import { jobActions, jobSummary } from './jobs/admin.ts';
import { startJobs } from './jobs/start-jobs.ts';
import { createGatewayMetrics } from './metrics.ts';
import { GuildActivity } from './moving/guild-activity.ts';
import { GuildMoves } from './moving/guild-moves.ts';
import { GuildOwnership } from './moving/guild-ownership.ts';
import { Guard } from './serve/guard.ts';
import type { Incoming } from './serve/incoming.ts';
import { InternalEndpoints } from './serve/internal-endpoints.ts';
import { Router } from './serve/router.ts';
import { serveWhole } from './serve/server.ts';
import type { GatewayServiceOptions } from './service-options.ts';
import { startPruning } from './store/pruning.ts';
import { openStore, type Store } from './store/store.ts';
import { catchStrayRejections } from './stray-rejections.ts';
import { createUpgrades } from './websocket/upgrades.ts';
import type { WebSockets } from './websocket/websockets.ts';

/** The most ids in a response of `/_guildway/guilds`. */
const MAX_GUILDS = 100_000;
/** Without Discord's events, none can be missed. */
const NO_EVENTS: EventHandover = {
  holding: 'no events',
  recordedMs: Number.MAX_SAFE_INTEGER,
  refusal: () => null,
  imported: () => {},
};
/** The sessions have not started yet. */
const NOT_YET: EventHandover = {
  holding: null,
  recordedMs: null,
  refusal: () => 'this pod does not receive events yet',
  imported: () => {},
};
/** For requests of this pod to itself, which nobody cancels. */
const NEVER = new AbortController().signal;
/** How long a draining pod waits for handlers whose clients have disconnected. Their committed writes are safe in any case. */
const STRAY_DRAIN_MS = 5_000;

/**
 * Starts a gateway pod: opens its database and listens. Once the pod may serve its guilds, it delivers stored requests and
 * starts its Discord sessions. Until then (for example, its rows were placed under another topology) it is not ready and says
 * why.
 * @throws GuildwayError DATABASE_LOCKED, DATABASE_CORRUPT, DATABASE_UNSAFE, STORE_FAILED, BOT_INVALID, CONFIG_INVALID; the
 *   listening error of a busy port
 */
export async function startGatewayService(options: GatewayServiceOptions): Promise<Service> {
  const { config, bot, topology, log } = options;
  const { ordinal } = config;
  const faults = readFaults(process.env);
  const opened = openStore({ path: config.databasePath, ordinal, topology, bot, log, faults });
  const serve = (admitted: Admitted): Promise<Serving> => startServing(options, ordinal, admitted, faults);
  return admit({ config, bot, topology, ordinal, opened, serve, log });
}

async function startServing(
  options: GatewayServiceOptions,
  ordinal: number,
  { store, server, agreement }: Admitted,
  faults: Faults,
): Promise<Serving> {
  const { config, bot, topology, log, registry } = options;
  const metrics = createGatewayMetrics(registry);
  const pods = Math.max(ordinal + 1, topology.pods, ...store.movingState.chain.map((known) => known.pods));
  const rest = createDiscordRest({ config, pods, log });
  const webhook = new InteractionWebhook(config.discordApiUrl);
  const activity = new GuildActivity();
  const ownership = new GuildOwnership({
    state: store.movingState,
    write: ({ state, writes }) => store.mover.records.write(state, writes),
  });
  const owns = (guildId: string): boolean => ownership.owns(guildId);
  const host: Host = { pod: ordinal, store, rest, owns, log };
  const once = new IdempotentRunner({ ledger: store.ledger, faults, log });
  let sessions: DiscordSessions | null = null;
  const beside = await createBeside(options, { ordinal, pods, owns, store }, (intents) => connect({ ...bot, intents }));
  const events = beside ?? new EventDispatch({ bot, host, activity, faults, metrics });

  const readiness = (): Readiness => {
    const { fatal } = store.connection;
    const discord = beside?.readiness() ?? sessions?.readiness() ?? { ready: true, reasons: [] };
    const stopped = fatal?.message ?? moves.recovery;
    const reasons = [stopped, moves.problem].filter((reason) => reason !== null);
    return { ready: stopped === null && discord.ready, reasons: [...reasons, ...discord.reasons] };
  };
  const hints = createHints({
    ...{ config, ordinal, topology, ownership, store: store.hints, webhook, metrics, faults, log },
    serve: async (request, deadlineAt) => {
      const response = await serveWhole({ route, log }, request, { deadlineAt, signal: NEVER });
      response.sent?.();
      return response;
    },
  });
  const moves = new GuildMoves({
    ...{ given: topology.toRecord(), ownership, activity, store, registry, log },
    peers: new Peers({ urlTemplate: config.gatewayUrlTemplate, secret: config.linkSecret }),
    notNow: () => unavailable(),
    handover: () => sessions?.handover ?? (config.discordToken === null ? NO_EVENTS : NOT_YET),
    onArrived: (guildIds) => {
      sessions?.arrived(guildIds);
      beside?.onArrived();
    },
    onLeft: (guildIds) => {
      sessions?.left(guildIds);
      websockets?.closeGuilds(new Set(guildIds));
      beside?.onLeft(guildIds);
    },
    confirmed: config.topologyConfirmed === topology.fingerprint,
  });
  const guard = new Guard({ ownership, routes: bot.routes ?? [] });
  const unavailable = (): string | null => store.connection.fatal?.message ?? beside?.unavailable() ?? null;
  const forwardedEvents = new ForwardedEvents({ guard, events, once, unavailable });
  const interactions = new InteractionDispatch({ bot, host, once, webhook, foreign: beside?.interactions ?? null });
  const gatewayInteractions = new GatewayInteractions({
    ...{ interactions, webhook, activity, log },
    putHint: (hint) => hints.put(hint),
  });
  const router = new Router({
    ordinal,
    guard,
    activity,
    interactions,
    eventWebhooks: new EventWebhookDispatch({ bot, host, once }),
    fetch: new FetchDispatch({ bot: beside?.web ? { ...bot, fetch: beside.web.fetch } : bot, host, once }),
    internal: new InternalEndpoints({
      state: () => ({
        pod: ordinal,
        name: config.name,
        ...readiness(),
        incarnation: store.incarnation,
        topology: ownership.chain[0],
        moving: moves.state(),
        database: store.sizes(),
        jobs: jobs.state(),
        hints: { count: store.hints.count, bytes: store.hints.bytes, setAside: store.hints.setAsideTotals.count },
        discord: sessions?.state() ?? null,
        bot: beside?.state() ?? null,
      }),
      guilds: () => {
        const known = new Set([...(sessions?.guildIds() ?? []), ...store.guilds.list(MAX_GUILDS)]);
        return [...known].filter(owns).toSorted();
      },
      putHint: (hint) => hints.put(hint),
      identify: async (request, context) =>
        sessions?.identify(request, context) ?? failed(503, 'this pod has no Discord sessions'),
      agreement,
      takeEvent: (body, deadlineAt) => forwardedEvents.serve(body, deadlineAt),
      takeMove: (body) => moves.serve(body),
    }),
    unavailable,
    maxBodyBytes: config.maxBodyBytes,
    metrics,
    log,
  });
  const route = (incoming: Incoming): Promise<Reply> => router.route(incoming);
  const websockets = await openWebSockets(bot, host);
  const upgrades = createUpgrades({
    ordinal,
    router,
    websockets,
    web: beside?.web ?? null,
    timeoutMs: config.requestTimeoutMs,
    log,
  });
  metrics.watch({
    websockets: () => websockets?.open ?? 0,
    replays: () => once.replays,
    sizes: () => store.sizes(),
    hints: () => hints.owners(),
    setAside: () => store.hints.setAsideTotals.count,
  });

  const members = (): ReadonlySet<string> | null => {
    if (config.discordToken === null) return new Set(store.guilds.list(MAX_GUILDS));
    return sessions?.readiness().ready === true ? new Set(sessions.guildIds()) : null;
  };
  const lifetime = new BotLifetime({ bot, host });
  await lifetime.start();
  const jobs = await startJobs({ bot, host, ownership, activity, members, webhook, faults, metrics, registry, log });
  const stopPruning = startPruning({ store, setAsideMs: config.setAsideMs, log });
  const stopCatching = catchStrayRejections(log);
  hints.start();
  moves.start();
  const stopping = new AbortController();
  const close = async (): Promise<void> => {
    stopping.abort();
    stopPruning();
    stopCatching();
    await Promise.all([moves.stop(), jobs.stop(0)]);
    hints.close();
    webhook.close();
    await server.close();
    await beside?.close();
    await sessions?.close();
    await lifetime.stop();
    store.close();
  };
  const connect = async (withIntents: Bot): Promise<DiscordSessions> => {
    const former = sessions;
    const dispatch: DispatchSink = (event) => {
      const { sessionId, sequence, guildId, wasHeld = false } = event;
      if (event.name === 'INTERACTION_CREATE' && beside === null) return gatewayInteractions.take(event);
      if (!wasHeld) return events.dispatch(event);
      return events.dispatch(event, {
        memo: store.sessions.memo(sessionId, sequence, guildId),
        durability: 'normal',
      });
    };
    const forward = createEventForwarder({
      put: (hint) => hints.put(hint),
      pause: (ms) => delay(ms, undefined, { signal: stopping.signal }),
      log,
    });
    const parts = {
      ...{ config, bot: withIntents, ownership, handled: store.handledEvents, pods, rest, log, registry },
    };
    const besides = beside === null ? {} : { leavesCommands: true, onSession: beside.onSession };
    // Its sessions have other intents: they cannot be resumed.
    await former?.end();
    sessions = await startDiscordSessions({ ...parts, ...besides, sessions: store.sessions, dispatch, forward });
    return sessions;
  };
  try {
    if (beside !== null) await beside.start();
    else if (config.discordToken !== null) await connect(bot);
  } catch (error) {
    await close();
    throw error;
  }

  const drain = async (): Promise<void> => {
    stopping.abort();
    await Promise.all([moves.stop(), hints.drain(), server.drain(), jobs.stop(STRAY_DRAIN_MS)]);
    for (let waitedMs = 0; once.running > 0 && waitedMs < STRAY_DRAIN_MS; waitedMs += 20) await delay(20);
    // Events that no bot takes any more are left to the next process.
    await Promise.all([sessions?.drain(), beside?.stop()]);
    await lifetime.stop();
  };
  let drained: Promise<void> | null = null;
  return {
    route,
    upgrades,
    readiness,
    adminRoutes: {
      '/hints': () => hints.summary(),
      ...(beside === null ? {} : { '/bot': () => beside.state() }),
      '/jobs': () => jobSummary(store),
      '/ledger': () => ({ running: once.running, replays: once.replays, kinds: store.ledger.count() }),
    },
    adminActions: { ...hintActions(hints), ...jobActions(store) },
    drain() {
      drained ??= drain();
      return drained;
    },
    close,
  };
}

/** Loaded only beside a bot: the libraries cost memory and startup time. */
async function createBeside(
  { config, log, beside: settings = null }: GatewayServiceOptions,
  pod: { ordinal: number; pods: number; owns: (guildId: string) => boolean; store: Store },
  connect: (intents: number) => Promise<DiscordSessions>,
): Promise<Beside | null> {
  if (settings === null) return null;
  if (config.discordToken === null) {
    throw new GuildwayError(
      'CONFIG_INVALID',
      'DISCORD_TOKEN: not set; a pod beside a bot needs it to log in for the bot',
    );
  }
  const { Beside } = await import('./beside/index.ts');
  return new Beside({ ...pod, config, settings, connection: pod.store.connection, log, connect });
}

/** Loaded only if the bot uses websockets: the libraries cost memory and startup time. */
async function openWebSockets({ websocket }: Bot, host: Host): Promise<WebSockets | null> {
  if (websocket === undefined) return null;
  const { WebSockets } = await import('./websocket/websockets.ts');
  return new WebSockets({ handler: websocket, host });
}
