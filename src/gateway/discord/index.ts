import { type SessionInfo, WebSocketManager, WebSocketShardEvents } from '@discordjs/ws';
import { GatewayIntentBits } from 'discord-api-types/v10';
import { fullJitter } from '../../link/backoff.ts';
import type { GatewayRequest, GatewayResponse, RequestContext } from '../../link/message.ts';
import { GUILDLESS_POD } from '../../routing/topology.ts';
import type { DiscordSessions, DiscordSessionsOptions, StartDiscordSessions } from '../discord-seam.ts';
import { problem } from '../dispatch/responses.ts';
import { fatalAnswer, fatalClose } from './close-codes.ts';
import { CommandRegistration } from './command-registration.ts';
import { ShardConnections } from './connections.ts';
import { EventIntake } from './event-intake.ts';
import { OwnedGuilds } from './guilds.ts';
import { IdentifyClient } from './identify-client.ts';
import { serveIdentify } from './identify-endpoint.ts';
import { IdentifyGate } from './identify-gate.ts';
import { handbackMs } from './identify-slots.ts';
import { IdentifyTurns } from './identify-turns.ts';
import { createSessionMetrics, type SessionMetrics } from './metrics.ts';
import { pause } from './pause.ts';
import { Peers } from './peers.ts';
import { MAX_RESUMES, ResumeAttempts } from './resume-attempts.ts';
import { ShardSessions } from './sessions.ts';
import { ShardStates } from './shard-states.ts';

/** How often the sequence of handled events is stored: what a killed pod gets again is at most this long. */
const PERSIST_MS = 250;
/** How long Discord may take to answer a resume; what it replays comes at once. */
const RESUME_ANSWER_MS = 15_000;
/** A close code that leaves the session to be resumed; 1000 and 1001 would end it. */
const RESUMABLE_CLOSE = 4200;
/** How long other pods wait for pod 0 before they identify without it: longer than it takes to start again. */
const POD_ZERO_ABSENT_MS = 30_000;
/** The same for registering the commands, which nobody waits for. */
const COMMANDS_ABSENT_MS = 120_000;
/** Longest wait for the other side to agree to the closing of a connection. */
const LEAVE_MS = 1_000;

/** See {@link DiscordSessions}. */
export const startDiscordSessions: StartDiscordSessions = async (options) => {
  const sessions = new Sessions(options);
  sessions.start();
  return sessions;
};

class Sessions implements DiscordSessions {
  readonly #options: DiscordSessionsOptions;
  readonly #shards: ShardSessions;
  readonly #states = new ShardStates();
  readonly #guilds: OwnedGuilds;
  readonly #intake: EventIntake;
  readonly #manager: WebSocketManager;
  readonly #connections: ShardConnections;
  readonly #gate: IdentifyGate;
  readonly #identifyClient: IdentifyClient;
  readonly #turns: IdentifyTurns;
  readonly #metrics: SessionMetrics;
  readonly #commands: CommandRegistration;
  readonly #stopping = new AbortController();
  readonly #resumes: ResumeAttempts;
  /** Shards whose last connection failed before its hello, and how often in a row. */
  readonly #unreachable = new Map<number, number>();
  #gatewayUrl: string | null = null;
  #persistTimer: NodeJS.Timeout | null = null;
  #persistFails = false;
  /** Why no shard has been started yet, or null. */
  #notStarted: string | null = 'Discord has not been asked yet';
  #left: Promise<void> | null = null;
  #drained: Promise<void> | null = null;
  #closed = false;

  constructor(options: DiscordSessionsOptions) {
    this.#options = options;
    const { config, topology, ordinal, rest, bot, log, registry, dispatch, forward } = options;
    this.#shards = new ShardSessions(options.sessions);
    this.#guilds = new OwnedGuilds(options.sessions);
    this.#intake = new EventIntake({
      guilds: this.#guilds,
      topology,
      ordinal,
      sessions: this.#shards,
      dispatch,
      forward,
      metrics: () => this.#metrics,
      onFull: (shard) => this.#leaveUntilRoomy(shard),
    });
    this.#metrics = createSessionMetrics(registry, {
      shards: () => this.#states.counts(),
      pending: () => this.#intake.pending,
    });
    const shardIds = topology.shardsOf(ordinal);
    this.#manager = new WebSocketManager({
      token: config.discordToken ?? '',
      rest,
      intents: GatewayIntentBits.Guilds | (bot.intents ?? 0),
      shardCount: topology.shards ?? config.discordShards,
      shardIds: shardIds === null ? null : [...shardIds],
      retrieveSessionInfo: (shard) => this.#retrieve(shard),
      updateSessionInfo: (shard, session) => this.#update(shard, session),
      // Names the pod of a session on Discord's side, for example in the simulator's console.
      identifyProperties: { browser: 'guildway', device: `gateway-${ordinal}`, os: process.platform },
      buildIdentifyThrottler: () => ({ waitForIdentify: (shard, signal) => this.#turns.wait(shard, signal) }),
    });
    this.#connections = new ShardConnections(this.#manager);
    this.#resumes = new ResumeAttempts({
      answerMs: options.resumeAnswerMs ?? RESUME_ANSWER_MS,
      onSilence: (shard) => this.#onSilence(shard),
    });
    const fetchLimit = async () => (await this.#manager.fetchGatewayInformation(true)).session_start_limit;
    const intervalMs = config.identifyIntervalMs;
    const { pods } = topology;
    this.#gate = new IdentifyGate({ fetchLimit, intervalMs, closedMs: pods > 1 ? handbackMs({ intervalMs }) : 0, log });
    const peers = new Peers({ urlTemplate: config.gatewayUrlTemplate, secret: config.linkSecret });
    const absentMs = options.podZeroAbsentMs ?? POD_ZERO_ABSENT_MS;
    this.#commands = new CommandRegistration({
      ...options,
      peers,
      absentMs: options.commandsAbsentMs ?? COMMANDS_ABSENT_MS,
    });
    this.#identifyClient = new IdentifyClient({ ordinal, pods, intervalMs, peers, fetchLimit, absentMs, log });
    this.#turns = new IdentifyTurns({
      acquire: (shard, signal) => this.#acquireIdentify(shard, signal),
      stopping: this.#stopping.signal,
      log,
    });
    this.#listen();
  }

  start(): void {
    this.#persistTimer = setInterval(() => this.#persist(), PERSIST_MS);
    void this.#connect();
    void this.#commands.run(this.#stopping.signal);
  }

  readiness(): { ready: boolean; reasons: string[] } {
    const reasons = [...(this.#notStarted === null ? [] : [`Discord: ${this.#notStarted}`]), ...this.#states.reasons()];
    const { problem: commands } = this.#commands;
    return { ready: reasons.length === 0, reasons: commands === null ? reasons : [...reasons, commands] };
  }

  state(): unknown {
    return {
      shards: this.#states.list(),
      guilds: this.#guilds.size,
      pendingEvents: this.#intake.pending,
      commands: this.#commands.state,
      commandsRegistered: this.#commands.isRegistered,
    };
  }

  guildIds(): Iterable<string> {
    return this.#guilds.ids();
  }

  async identify(request: GatewayRequest, context: RequestContext): Promise<GatewayResponse> {
    if (this.#options.ordinal !== GUILDLESS_POD)
      return problem(421, `identify slots are handed out by pod ${GUILDLESS_POD}`);
    return serveIdentify(this.#gate, request, context, this.#stopping.signal);
  }

  drain(): Promise<void> {
    this.#drained ??= (async () => {
      await this.#leave();
      await this.#intake.finished();
      this.#persist();
    })();
    return this.#drained;
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#persistTimer !== null) clearInterval(this.#persistTimer);
    await this.#leave();
  }

  /** Closes the connections so that the next process can resume the sessions. */
  #leave(): Promise<void> {
    this.#left ??= (async () => {
      this.#stopping.abort();
      this.#resumes.close();
      const waited = new AbortController();
      // The library may wait for ever for a connection that was being opened or has died.
      await Promise.race([this.#connections.destroy(RESUMABLE_CLOSE, 'restarting'), pause(LEAVE_MS, waited.signal)]);
      waited.abort();
      this.#connections.terminate();
    })();
    return this.#left;
  }

  /** Connects all shards and retries until it succeeds: Discord may be unreachable when a pod starts. */
  async #connect(): Promise<void> {
    const { log } = this.#options;
    for (let attempt = 0; !this.#stopping.signal.aborted; attempt++) {
      try {
        const shards = await this.#manager.getShardIds();
        // Reads the store now: the library cannot cope with a session that cannot be read.
        for (const shard of shards) if (this.#shards.retrieve(shard) !== null) this.#guilds.restore(shard);
        await this.#connections.spawn(shards);
        this.#gatewayUrl = (await this.#manager.fetchGatewayInformation()).url;
        if (this.#stopping.signal.aborted) return;
        for (const shard of shards) this.#states.set(shard, 'connecting');
        this.#notStarted = null;
        await this.#connections.connect();
        return;
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        const fatal = fatalAnswer(error);
        this.#notStarted = fatal ?? `cannot start sessions: ${(error as Error).message}`;
        if (fatal !== null) {
          log.fatal({ err: error }, `Discord does not let this bot in: ${fatal}`);
          return;
        }
        log.error({ err: error }, 'cannot start Discord sessions; trying again');
        await pause(1_000 + fullJitter(attempt, 1_000, 30_000), this.#stopping.signal);
      }
    }
  }

  async #acquireIdentify(shard: number, signal: AbortSignal): Promise<void> {
    const slots = this.#options.ordinal === GUILDLESS_POD ? this.#gate : this.#identifyClient;
    await slots.acquire(shard, signal);
    this.#metrics.identified.inc();
  }

  /** What to resume, or null to identify. The library asks before it opens a connection, and often while one is open. */
  #retrieve(shard: number): SessionInfo | null | Promise<SessionInfo | null> {
    // The library may want to connect once more after it was told to leave.
    if (this.#stopping.signal.aborted) return new Promise(() => {});
    const failures = Math.max(this.#unreachable.get(shard) ?? 0, this.#resumes.failed(shard) + 1);
    if (failures > 1 || this.#intake.isFull(shard)) return this.#retrieveLater(shard, failures);
    // At once, or events would overtake each other.
    return this.#shards.retrieve(shard);
  }

  async #retrieveLater(shard: number, failures: number): Promise<SessionInfo | null> {
    if (failures > 1) await pause(fullJitter(failures, 250, 15_000), this.#stopping.signal);
    await this.#intake.whenRoomy(shard);
    this.#states.set(shard, 'connecting');
    return this.#shards.retrieve(shard);
  }

  /** The library reports READY, each event, and (null) that it is about to identify anew. */
  #update(shard: number, session: SessionInfo | null): void {
    // A connection that is left on purpose must not end the session that the next process resumes.
    if (this.#stopping.signal.aborted) return;
    const { log } = this.#options;
    if (session !== null) {
      if (this.#shards.start(session)) this.#persist();
      return;
    }
    if (this.#unreachable.has(shard) && this.#gatewayUrl !== null) {
      // The library gives a session up when it cannot connect. Discord still has it, at its general address at the latest.
      this.#shards.resumeAt(shard, this.#gatewayUrl);
      return;
    }
    try {
      if (this.#shards.end(shard)) log.warn({ shard }, 'Discord session is over; events until the next one are missed');
    } catch (error) {
      log.error({ err: error, shard }, 'cannot forget a session that is over; the next process tries to resume it');
    }
  }

  #listen(): void {
    const { log } = this.#options;
    const manager = this.#manager;
    manager.on(WebSocketShardEvents.Hello, (shard) => {
      this.#unreachable.delete(shard);
      if (this.#shards.retrieve(shard) !== null && !this.#stopping.signal.aborted) this.#resumes.begin(shard);
      // It was about to open this connection when it was told to leave.
      if (this.#stopping.signal.aborted) void this.#connections.destroy(RESUMABLE_CLOSE, 'restarting');
    });
    manager.on(WebSocketShardEvents.Dispatch, (payload, shard) => {
      this.#resumes.answered(shard);
      // The session is left where it is; what comes after that comes again to the next process.
      if (!this.#stopping.signal.aborted) this.#intake.take(payload, shard);
    });
    manager.on(WebSocketShardEvents.Ready, (data, shard) => {
      this.#intake.onReady(data.guilds, shard);
      this.#persist();
      this.#onSession(shard);
      log.info({ shard, guilds: data.guilds.length }, 'Discord session started');
    });
    manager.on(WebSocketShardEvents.Resumed, (shard) => {
      this.#metrics.resumed.inc();
      this.#onSession(shard);
      log.info({ shard }, 'Discord session resumed');
    });
    manager.on(WebSocketShardEvents.Closed, (code, shard) => this.#onClosed(code, shard));
    manager.on(WebSocketShardEvents.HeartbeatComplete, ({ latency }, shard) => {
      this.#metrics.latency.set({ shard: String(shard) }, latency / 1_000);
      this.#states.setLatency(shard, latency);
    });
    manager.on(WebSocketShardEvents.Error, (error, shard) =>
      log.error({ err: error, shard }, 'Discord session failed'),
    );
    manager.on(WebSocketShardEvents.SocketError, (error, shard) => {
      this.#unreachable.set(shard, (this.#unreachable.get(shard) ?? 0) + 1);
      log.warn({ err: error, shard }, 'Discord connection failed');
    });
  }

  #onSession(shard: number): void {
    this.#resumes.answered(shard);
    this.#turns.succeeded(shard);
    this.#states.set(shard, 'ready');
  }

  /** Discord neither resumes the session nor says that it is over. */
  #onSilence(shard: number): void {
    this.#options.log.warn({ shard }, 'Discord does not answer a resume; connecting again');
    this.#connections.reconnect(shard, 'no answer to a resume').catch((error: unknown) => {
      this.#options.log.error({ err: error, shard }, 'cannot leave the connection');
    });
  }

  /** Gives up a session that Discord does not resume, here and for the next process: the next connection identifies. */
  #giveUp(shard: number): void {
    const { log } = this.#options;
    log.warn(
      { shard, tries: MAX_RESUMES },
      'Discord does not resume the session; a new one is started, and events until then are missed',
    );
    try {
      this.#shards.end(shard);
    } catch (error) {
      log.error({ err: error, shard }, 'cannot forget the session; the next process tries to resume it');
    }
  }

  #onClosed(code: number, shard: number): void {
    const { log } = this.#options;
    if (this.#resumes.closed(shard) >= MAX_RESUMES) this.#giveUp(shard);
    const fatal = fatalClose(code);
    if (fatal !== null) {
      this.#states.set(shard, 'failed', fatal);
      log.fatal({ shard, code }, `Discord closed the connection for good: ${fatal}`);
      return;
    }
    if (this.#states.get(shard) !== 'paused')
      this.#states.set(shard, 'connecting', `the connection was closed (${code})`);
    if (!this.#stopping.signal.aborted) log.warn({ shard, code }, 'Discord connection closed; connecting again');
  }

  #leaveUntilRoomy(shard: number): void {
    const { log } = this.#options;
    const { pending } = this.#intake;
    this.#states.set(shard, 'paused', `${pending} events wait for their handlers`);
    log.error({ shard, pending }, 'too many events wait for their handlers; the session is left until half are done');
    this.#connections.reconnect(shard, 'too many events').catch((error: unknown) => {
      log.error({ err: error, shard }, 'cannot leave the connection');
    });
  }

  #persist(): void {
    if (this.#closed) return;
    const { log } = this.#options;
    try {
      // Guilds first: events up to the stored sequence do not come again, so what they said of guilds must be stored before.
      const guilds = this.#guilds.persist();
      if (!this.#shards.persist() && !guilds) return;
      if (this.#persistFails) log.info('how far events were handled is stored again');
      this.#persistFails = false;
    } catch (error) {
      // Their events come again from where the store is. Said once: this runs several times a second.
      if (!this.#persistFails) log.error({ err: error }, 'cannot store how far events were handled');
      this.#persistFails = true;
    }
  }
}
