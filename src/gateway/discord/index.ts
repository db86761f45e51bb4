import { WebSocketManager, WebSocketShardEvents } from '@discordjs/ws';
import { type GatewayDispatchPayload, GatewayIntentBits } from 'discord-api-types/v10';
import { fullJitter } from '../../link/backoff.ts';
import type { GatewayRequest, GatewayResponse, RequestContext } from '../../link/message.ts';
import { gatewayUrl } from '../../routing/gateway-url.ts';
import { GUILDLESS_POD } from '../../routing/topology.ts';
import type { DiscordSessions, DiscordSessionsOptions, StartDiscordSessions } from '../discord-seam.ts';
import { empty, problem } from '../responses.ts';
import { fatalClose } from './close-codes.ts';
import { registerCommands } from './commands.ts';
import { guildOfDispatch, OwnedGuilds } from './guilds.ts';
import { askForIdentify } from './identify-client.ts';
import { IdentifyGate } from './identify-gate.ts';
import { createSessionMetrics } from './metrics.ts';
import { ShardSessions } from './sessions.ts';

/** How often the sequence of handled events is stored: what a killed pod gets again is at most this long. */
const PERSIST_MS = 250;
/** A close code that leaves the session to be resumed; 1000 and 1001 would end it. */
const RESUMABLE_CLOSE = 4200;

type ShardState = 'connecting' | 'ready' | 'failed';

/** See {@link DiscordSessions}. */
export const startDiscordSessions: StartDiscordSessions = async (options) => {
  const sessions = new Sessions(options);
  sessions.start();
  return sessions;
};

class Sessions implements DiscordSessions {
  readonly #options: DiscordSessionsOptions;
  readonly #shards: ShardSessions;
  readonly #guilds = new OwnedGuilds();
  readonly #states = new Map<number, { state: ShardState; why: string | null; latencyMs: number | null }>();
  readonly #manager: WebSocketManager;
  readonly #gate: IdentifyGate;
  readonly #metrics: ReturnType<typeof createSessionMetrics>;
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #persistTimer: NodeJS.Timeout | null = null;
  /** Why no shard has been started yet, or null. */
  #notStarted: string | null = 'Discord has not been asked yet';
  #commandsProblem: string | null = null;
  #closed = false;

  constructor(options: DiscordSessionsOptions) {
    this.#options = options;
    const { config, topology, ordinal, rest, bot, log, registry } = options;
    this.#shards = new ShardSessions(options.sessions);
    const shardIds = topology.shardsOf(ordinal);
    this.#manager = new WebSocketManager({
      token: config.discordToken ?? '',
      rest,
      intents: GatewayIntentBits.Guilds | (bot.intents ?? 0),
      shardCount: topology.shards ?? config.discordShards,
      shardIds: shardIds === null ? null : [...shardIds],
      retrieveSessionInfo: (shardId) => this.#shards.retrieve(shardId),
      updateSessionInfo: (shardId, session) => {
        // A connection that is left on purpose must not end the session that the next process resumes.
        if (this.#stopping.signal.aborted) return;
        this.#shards.update(shardId, session);
      },
      // Which pod a session is of, for whoever looks from Discord's side, such as the simulator's console.
      identifyProperties: { browser: 'guildway', device: `gateway-${ordinal}`, os: process.platform },
      buildIdentifyThrottler: () => ({ waitForIdentify: (shardId, signal) => this.#waitForIdentify(shardId, signal) }),
    });
    this.#gate = new IdentifyGate({
      fetchLimit: async () => (await this.#manager.fetchGatewayInformation(true)).session_start_limit,
      intervalMs: config.identifyIntervalMs,
      log,
    });
    this.#metrics = createSessionMetrics(registry, {
      shards: () => this.#countStates(),
      pending: () => this.#shards.pending,
    });
    this.#listen();
  }

  start(): void {
    this.#persistTimer = setInterval(() => this.#persist(), PERSIST_MS);
    void this.#connect();
    if (this.#options.ordinal === GUILDLESS_POD) void this.#registerCommands();
  }

  readiness(): { ready: boolean; reasons: string[] } {
    const reasons = this.#notStarted === null ? [] : [`Discord: ${this.#notStarted}`];
    for (const [shard, { state, why }] of this.#states) {
      if (state !== 'ready') reasons.push(`Discord: shard ${shard} is ${state}${why === null ? '' : `: ${why}`}`);
    }
    return { ready: reasons.length === 0, reasons };
  }

  state(): unknown {
    return {
      shards: [...this.#states].map(([shard, { state, why, latencyMs }]) => ({ shard, state, why, latencyMs })),
      guilds: this.#guilds.size,
      pendingEvents: this.#shards.pending,
      commands: this.#commandsProblem ?? 'registered by pod 0',
    };
  }

  guildIds(): Iterable<string> {
    return this.#guilds.ids();
  }

  async identify(request: GatewayRequest, context: RequestContext): Promise<GatewayResponse> {
    if (this.#options.ordinal !== GUILDLESS_POD)
      return problem(421, `identify slots are handed out by pod ${GUILDLESS_POD}`);
    let shard: unknown;
    try {
      shard = (JSON.parse(request.body.toString('utf8')) as { shard?: unknown }).shard;
    } catch {
      // As if it were not there.
    }
    if (typeof shard !== 'number' || !Number.isSafeInteger(shard) || shard < 0)
      return problem(400, 'it takes {"shard": 0}');
    const waitMs = Math.max(1, Math.floor(context.deadlineAt - performance.now()));
    try {
      await this.#gate.acquire(
        shard,
        AbortSignal.any([AbortSignal.timeout(waitMs), context.signal, this.#stopping.signal]),
      );
      return empty(204);
    } catch (error) {
      return problem(503, `no identify slot in time: ${(error as Error).message}`, ['retry-after', '1']);
    }
  }

  async drain(): Promise<void> {
    if (!this.#stopping.signal.aborted) {
      this.#stopping.abort();
      await this.#manager.destroy({ code: RESUMABLE_CLOSE, reason: 'restarting' });
    }
    await Promise.all(this.#running);
    this.#persist();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#persistTimer !== null) clearInterval(this.#persistTimer);
    if (!this.#stopping.signal.aborted) {
      this.#stopping.abort();
      await this.#manager.destroy({ code: RESUMABLE_CLOSE, reason: 'restarting' });
    }
  }

  /** Connects all shards, as often as it takes: Discord, or the way to it, may be away when a pod starts. */
  async #connect(): Promise<void> {
    const { log } = this.#options;
    for (let attempt = 0; !this.#stopping.signal.aborted; attempt++) {
      try {
        for (const shard of await this.#manager.getShardIds()) this.#setState(shard, 'connecting');
        this.#notStarted = null;
        await this.#manager.connect();
        return;
      } catch (error) {
        if (this.#stopping.signal.aborted || this.#hasFailed()) return;
        this.#notStarted = `cannot start sessions: ${(error as Error).message}`;
        log.error({ err: error }, 'cannot start Discord sessions; trying again');
        await this.#pause(1_000 + fullJitter(attempt, 1_000, 30_000));
      }
    }
  }

  async #registerCommands(): Promise<void> {
    const { config, rest, bot, log } = this.#options;
    if (config.discordAppId === null) {
      this.#commandsProblem = 'DISCORD_APP_ID is not set: commands are not registered';
      log.warn(this.#commandsProblem);
      return;
    }
    for (let attempt = 0; !this.#stopping.signal.aborted; attempt++) {
      try {
        const changed = await registerCommands(rest, config.discordAppId, bot);
        this.#commandsProblem = null;
        log.info({ commands: bot.commands?.length ?? 0, changed }, 'commands registered');
        return;
      } catch (error) {
        this.#commandsProblem = `cannot register commands: ${(error as Error).message}`;
        log.error({ err: error }, 'cannot register commands; trying again');
        await this.#pause(1_000 + fullJitter(attempt, 1_000, 60_000));
      }
    }
  }

  async #waitForIdentify(shardId: number, signal: AbortSignal): Promise<void> {
    const { ordinal, config, log } = this.#options;
    const either = AbortSignal.any([signal, this.#stopping.signal]);
    if (ordinal === GUILDLESS_POD) await this.#gate.acquire(shardId, either);
    else {
      const url = gatewayUrl(config.gatewayUrlTemplate, GUILDLESS_POD);
      await askForIdentify({ url, secret: config.linkSecret ?? '', log }, shardId, either);
    }
    this.#metrics.identified.inc();
  }

  #listen(): void {
    const { log } = this.#options;
    const manager = this.#manager;
    manager.on(WebSocketShardEvents.Dispatch, (payload, shardId) => this.#onDispatch(payload, shardId));
    manager.on(WebSocketShardEvents.Ready, (data, shardId) => {
      for (const { id } of data.guilds) if (this.#owns(id, shardId)) this.#guilds.add(id);
      this.#setState(shardId, 'ready');
      log.info({ shard: shardId, guilds: data.guilds.length }, 'Discord session started');
    });
    manager.on(WebSocketShardEvents.Resumed, (shardId) => {
      this.#metrics.resumed.inc();
      this.#setState(shardId, 'ready');
      log.info({ shard: shardId }, 'Discord session resumed');
    });
    manager.on(WebSocketShardEvents.Closed, (code, shardId) => {
      const fatal = fatalClose(code);
      if (fatal !== null) {
        this.#setState(shardId, 'failed', fatal);
        log.fatal({ shard: shardId, code }, `Discord closed the connection for good: ${fatal}`);
      } else {
        this.#setState(shardId, 'connecting', `Discord closed the connection (${code})`);
        if (!this.#stopping.signal.aborted)
          log.warn({ shard: shardId, code }, 'Discord connection closed; connecting again');
      }
    });
    manager.on(WebSocketShardEvents.HeartbeatComplete, ({ latency }, shardId) => {
      this.#metrics.latency.set({ shard: String(shardId) }, latency / 1_000);
      const entry = this.#states.get(shardId);
      if (entry !== undefined) entry.latencyMs = latency;
    });
    manager.on(WebSocketShardEvents.Error, (error, shardId) =>
      log.error({ err: error, shard: shardId }, 'Discord session failed'),
    );
    manager.on(WebSocketShardEvents.SocketError, (error, shardId) => {
      log.warn({ err: error, shard: shardId }, 'Discord connection failed');
    });
  }

  /** The first to see an event: those of other owners go no further. */
  #onDispatch(payload: GatewayDispatchPayload, shardId: number): void {
    // The session is left where it is; what comes after that comes again to the next process.
    if (this.#stopping.signal.aborted) return;
    const { t: name, s: sequence } = payload;
    const guildId = guildOfDispatch(payload);
    const session = this.#shards.retrieve(shardId);
    if (session === null || name === 'READY' || name === 'RESUMED') {
      this.#shards.skip(shardId, sequence);
      return;
    }
    if (!this.#owns(guildId, shardId)) {
      this.#metrics.dropped.inc();
      this.#shards.skip(shardId, sequence);
      return;
    }
    if (guildId !== null) this.#guilds.follow(payload, guildId);
    this.#metrics.events.inc({ event: name });
    const finished = this.#shards.begin(shardId, sequence);
    const run: Promise<void> = this.#options
      .dispatch({ name, data: payload.d, guildId, shard: shardId, sessionId: session.sessionId, sequence })
      .then(() => {
        finished();
        this.#running.delete(run);
      });
    this.#running.add(run);
  }

  /** What has no guild comes to whoever holds shard 0, which under md5 is every pod. */
  #owns(guildId: string | null, shardId: number): boolean {
    const { topology, ordinal } = this.#options;
    if (guildId === null) return ordinal === GUILDLESS_POD && shardId === 0;
    return topology.ownerOf(guildId) === ordinal;
  }

  #persist(): void {
    try {
      this.#shards.persist();
    } catch (error) {
      // Their events come again from where the store is.
      this.#options.log.error({ err: error }, 'cannot store how far events were handled');
    }
  }

  #setState(shard: number, state: ShardState, why: string | null = null): void {
    const before = this.#states.get(shard);
    if (before?.state === 'failed') return;
    this.#states.set(shard, { state, why, latencyMs: before?.latencyMs ?? null });
  }

  #hasFailed(): boolean {
    return [...this.#states.values()].some(({ state }) => state === 'failed');
  }

  #countStates(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { state } of this.#states.values()) counts[state] = (counts[state] ?? 0) + 1;
    return counts;
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#stopping.signal.addEventListener(
        'abort',
        () => {
          clearTimeout(timer);
          resolve();
        },
        { once: true },
      );
    });
  }
}
