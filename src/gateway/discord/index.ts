import type { SessionInfo, WebSocketManager } from '@discordjs/ws';
import type { GatewayDispatchPayload, GatewayReadyDispatchData, GatewaySendPayload } from 'discord-api-types/v10';
import { fullJitter } from '../../link/backoff.ts';
import type { GatewayRequest, GatewayResponse, RequestContext } from '../../link/message.ts';
import { discordShard } from '../../routing/discord-shards.ts';
import { StateMachine } from '../../state-machine.ts';
import type { DiscordSessions, DiscordSessionsOptions, StartDiscordSessions } from '../discord-seam.ts';
import { refusedToken } from './close-codes.ts';
import { CommandRegistration } from './command-registration.ts';
import { type ConnectionListener, ShardConnections } from './connections.ts';
import { EventIntake } from './event-intake.ts';
import { OwnedGuilds } from './guilds.ts';
import { createIdentifies, type Identifies } from './identifies.ts';
import { IdentifyTurns } from './identify-turns.ts';
import { createManager } from './manager.ts';
import { createSessionMetrics, type SessionMetrics } from './metrics.ts';
import { pause } from './pause.ts';
import { Peers } from './peers.ts';
import { SessionHandover } from './session-handover.ts';
import { SessionKeeper } from './session-keeper.ts';
import { ShardSessions } from './sessions.ts';
import { Shard } from './shard.ts';
import { ShardSet } from './shard-set.ts';
import { DEFAULT_TIMING, type SessionTiming } from './timing.ts';

/** The longest wait for Discord's side of a closing handshake. */
const LEAVE_MS = 1_000;
/** The shortest wait between two attempts to start; up to the cap is added. */
const RETRY_BASE_MS = 1_000;
const RETRY_CAP_MS = 30_000;
/** How often events that have been held for too long are looked for. */
const SWEEP_MS = 1_000;

/** See {@link DiscordSessions}. */
export const startDiscordSessions: StartDiscordSessions = async (options) => {
  const sessions = new Sessions(options);
  sessions.start();
  return sessions;
};

/**
 * - `starting`: Discord has not listed the shards yet
 * - `running`: the shards connect and reconnect
 * - `leaving`: the connections are closed so that the next process can resume the sessions; received events are still handled
 * - `closed`: nothing is stored any more
 */
type Phase = 'starting' | 'running' | 'leaving' | 'closed';

class Sessions implements DiscordSessions, ConnectionListener {
  readonly #options: DiscordSessionsOptions;
  readonly #timing: SessionTiming;
  readonly #phase = new StateMachine<Phase>('starting', {
    starting: ['running', 'leaving', 'closed'],
    running: ['leaving', 'closed'],
    leaving: ['closed'],
    closed: [],
  });
  /** Why it is still starting. */
  #notStarted = 'Discord has not been asked yet';
  #gatewayUrl: string | null = null;
  readonly #shards: ShardSet;
  readonly #sessions: ShardSessions;
  readonly #guilds: OwnedGuilds;
  readonly #keeper: SessionKeeper;
  readonly #intake: EventIntake;
  readonly #manager: WebSocketManager;
  readonly #connections: ShardConnections;
  readonly #identifies: Identifies;
  readonly #turns: IdentifyTurns;
  readonly #metrics: SessionMetrics;
  readonly #commands: CommandRegistration;
  readonly #stopping = new AbortController();
  readonly handover: SessionHandover;
  #sweep: NodeJS.Timeout | null = null;
  #left: Promise<void> | null = null;
  #drained: Promise<void> | null = null;

  constructor(options: DiscordSessionsOptions) {
    this.#options = options;
    const { config, ownership, handled, pods, registry, dispatch, forward, log } = options;
    const { ordinal } = ownership;
    this.#timing = { ...DEFAULT_TIMING, ...options.timing };
    this.#sessions = new ShardSessions(options.sessions);
    this.#guilds = new OwnedGuilds(options.sessions);
    this.#keeper = new SessionKeeper({ sessions: this.#sessions, guilds: this.#guilds, log });
    this.#intake = new EventIntake({
      ...{ ownership, handled, dispatch, forward, sessions: this.#sessions, guilds: this.#guilds, log },
      skewMs: config.eventSkewMs,
      metrics: () => this.#metrics,
      onFull: (shard) => this.#leaveUntilRoomy(shard),
    });
    this.#metrics = createSessionMetrics(registry, {
      states: () => [...this.#shards.values()].map(({ state }) => state),
      pending: () => this.#intake.pending,
    });
    this.#manager = createManager({
      ...{ ...options, timing: this.#timing, turns: () => this.#turns },
      shard: (id) => this.#shards.get(id),
      updateSession: (shard, session) => this.#updateSession(shard, session),
    });
    this.#connections = new ShardConnections(this.#manager, this);
    this.#shards = new ShardSet({
      ...{ ownership, sessions: this.#sessions, guilds: this.#guilds, connections: this.#connections, log },
      create: (id) => this.#createShard(id),
      onTopologies: () => this.#intake.transit.topologyChanged(),
    });
    this.handover = new SessionHandover(this.#shards, this.#intake.transit, config.eventSkewMs);
    const peers = new Peers({ urlTemplate: config.gatewayUrlTemplate, secret: config.linkSecret });
    this.#identifies = createIdentifies({
      ...{ config, pods, ordinal, peers, timing: this.#timing, log },
      fetchLimit: async () => (await this.#manager.fetchGatewayInformation(true)).session_start_limit,
    });
    this.#turns = new IdentifyTurns({
      acquire: async (shard, signal) => {
        await this.#identifies.acquire(shard, signal);
        this.#metrics.identified.inc();
      },
      stopping: this.#stopping.signal,
      log,
    });
    this.#commands = new CommandRegistration({ ...options, ordinal, peers, absentMs: this.#timing.commandsAbsentMs });
  }

  start(): void {
    this.#keeper.start();
    void this.#connect();
    this.#followOwnership();
    this.#sweep = setInterval(() => this.#intake.transit.settleAll(), SWEEP_MS);
    if (this.#options.leavesCommands !== true) void this.#commands.run(this.#stopping.signal);
  }

  readiness(): { ready: boolean; reasons: string[] } {
    const reasons = this.#phase.is('starting') ? [`Discord: ${this.#notStarted}`] : [];
    for (const { summary } of this.#shards.values()) {
      const { shard, state, why } = summary;
      if (state !== 'ready') reasons.push(`Discord: shard ${shard} is ${state}${why === null ? '' : `: ${why}`}`);
    }
    const { problem } = this.#commands;
    return { ready: reasons.length === 0, reasons: problem === null ? reasons : [...reasons, problem] };
  }

  state(): unknown {
    return {
      shards: [...this.#shards.values()].map(({ summary }) => summary),
      guilds: this.#guilds.size,
      pendingEvents: this.#intake.pending,
      commands: this.#commands.state,
      commandsRegistered: this.#commands.isRegistered,
    };
  }

  guildIds(): Iterable<string> {
    return this.#guilds.ids();
  }

  identify(request: GatewayRequest, context: RequestContext): Promise<GatewayResponse> {
    return this.#identifies.serve(request, context, this.#stopping.signal);
  }

  arrived(guildIds: readonly string[]): void {
    if (!this.#phase.is('closed')) this.#intake.arrived(guildIds);
  }

  left(guildIds: readonly string[]): void {
    if (!this.#phase.is('closed')) this.#intake.left(guildIds);
  }

  send(payload: GatewaySendPayload, guildId: string | null): void {
    const ids = [...this.#shards.ids()];
    const count = this.#sessions.shardCount ?? 1;
    this.#connections.send(guildId === null ? ids : [discordShard(guildId, count)], payload);
  }

  drain(): Promise<void> {
    this.#drained ??= (async () => {
      await this.#leave();
      this.#intake.transit.dropAwaited();
      await this.#intake.finished();
      if (!this.#phase.is('closed')) this.#keeper.persist();
    })();
    return this.#drained;
  }

  async close(): Promise<void> {
    const left = this.#leave();
    this.#phase.enter('closed');
    this.#keeper.stop();
    if (this.#sweep !== null) clearInterval(this.#sweep);
    await left;
  }

  async end(): Promise<void> {
    await this.close();
    for (const id of this.#shards.ids()) this.#sessions.end(id);
  }

  onDispatch(payload: GatewayDispatchPayload, shard: number): void {
    // The session stays at its sequence. The next process gets later events again.
    if (!this.#phase.is('running')) return;
    const isNew = !this.#sessions.has(shard, payload.s);
    const connection = this.#shards.get(shard);
    if (connection === undefined) return;
    if (payload.t === 'READY' || payload.t === 'RESUMED') this.#shards.begun(shard);
    this.#intake.take(payload, shard, this.#shards.currentSince(shard) === null);
    if (isNew) connection.progressed();
  }

  onReady(data: GatewayReadyDispatchData, shard: number): void {
    if (!this.#phase.is('running')) return;
    // Not as an argument: an optional call does not evaluate its arguments without a callback.
    const own = this.#intake.onReady(data.guilds, shard);
    this.#options.onSession?.(data, own);
    this.#keeper.persist();
    this.#turns.succeeded(shard);
    this.#options.log.info({ shard, guilds: data.guilds.length }, 'Discord session started');
  }

  onResumed(shard: number): void {
    this.#metrics.resumed.inc();
    this.#turns.succeeded(shard);
    this.#options.log.info({ shard }, 'Discord session resumed');
  }

  onHeartbeat(latencyMs: number, shard: number): void {
    this.#metrics.latency.set({ shard: String(shard) }, latencyMs / 1_000);
  }

  onError(error: unknown, shard: number): void {
    this.#options.log.error({ err: error, shard }, 'Discord session failed');
  }

  onSocketError(error: unknown, shard: number): void {
    this.#options.log.warn({ err: error, shard }, 'Discord connection failed');
  }

  /** Connects all shards and retries until it succeeds: Discord may be unreachable when a pod starts. */
  async #connect(): Promise<void> {
    const { log } = this.#options;
    const stopping = this.#stopping.signal;
    for (let attempt = 0; this.#phase.is('starting'); attempt++) {
      try {
        const count = await this.#manager.getShardCount();
        const shards = this.#shards.create(count);
        this.#gatewayUrl = await this.#connections.spawn(shards);
        if (!this.#phase.enter('running')) return;
        this.#shards.start(shards);
        await this.#connections.connect();
      } catch (error) {
        if (!this.#phase.is('starting')) return;
        const refused = refusedToken(error);
        const text = refused ?? `cannot start sessions: ${(error as Error).message}`;
        const isNews = text !== this.#notStarted;
        this.#notStarted = text;
        if (refused === null) log.error({ err: error }, 'cannot start Discord sessions; retrying');
        else if (isNews) log.fatal({ err: error }, `Discord does not let this bot in: ${refused}`);
        const waitMs = RETRY_BASE_MS + fullJitter(attempt, RETRY_BASE_MS, RETRY_CAP_MS);
        await pause(refused === null ? waitMs : this.#timing.refusedTokenMs, stopping);
      }
    }
  }

  #createShard(id: number): Shard {
    const { log } = this.#options;
    return new Shard({
      ...{ id, sessions: this.#sessions, timing: this.#timing, stopping: this.#stopping.signal, log },
      whenRoomy: (shard) => this.#intake.whenRoomy(shard),
      gatewayUrl: () => this.#gatewayUrl,
      reconnect: (shard, reason) => {
        this.#connections.reconnect(shard, reason).catch((error: unknown) => {
          log.error({ err: error, shard }, 'cannot leave the connection');
        });
      },
    });
  }

  /** The shards and the held events follow the moves. */
  #followOwnership(): void {
    const { ownership } = this.#options;
    const { chain } = ownership;
    void ownership.changed.then(() => {
      if (this.#phase.is('leaving', 'closed')) return;
      this.#followOwnership();
      if (chain === ownership.chain) this.#intake.transit.settleLeaving();
      else this.#shards.follow();
    });
  }

  /** The library reports READY, each event, and (null) that it is about to start a new session. */
  #updateSession(shard: number, session: SessionInfo | null): void {
    // Closing a connection on purpose must not end the session that the next process resumes.
    if (!this.#phase.is('running')) return;
    if (session === null) this.#shards.get(shard)?.giveUpSession();
    else if (this.#sessions.start(session)) this.#keeper.persist();
  }

  #leaveUntilRoomy(shard: number): void {
    const { pending } = this.#intake;
    const text = 'too many events wait for their handlers; the session is left until half are done';
    this.#options.log.error({ shard, pending }, text);
    this.#shards.get(shard)?.pauseFor(`${pending} events wait for their handlers`);
  }

  /** Closes the connections so that the next process can resume the sessions. */
  #leave(): Promise<void> {
    this.#left ??= (async () => {
      this.#phase.enter('leaving');
      for (const shard of this.#shards.values()) shard.stop();
      this.#stopping.abort();
      const waited = new AbortController();
      // The library may wait forever for a connection that is opening or has died.
      await Promise.race([this.#connections.leave('restarting'), pause(LEAVE_MS, waited.signal)]);
      waited.abort();
      this.#connections.terminate();
    })();
    return this.#left;
  }
}
