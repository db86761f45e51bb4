import type { GatewayReadyDispatchData, GatewaySendPayload } from 'discord-api-types/v10';
import type { GatewayConfig } from '../../config/load.ts';
import type { Readiness } from '../../observability/admin-server.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import type { Logger } from '../../observability/log.ts';
import { ThrottledLog } from '../../observability/throttled-log.ts';
import { GUILDLESS_POD } from '../../routing/topology.ts';
import { restShare } from '../discord/rest.ts';
import type { DiscordSessions, GuildEvent } from '../discord-seam.ts';
import type { EventOutcome, Recording } from '../dispatch/events.ts';
import type { ForeignBot } from '../dispatch/foreign-bot.ts';
import type { Connection } from '../store/connection.ts';
import { BesideStore } from './beside-store.ts';
import { botEnvironment } from './bot-environment.ts';
import { BotProcess } from './bot-process.ts';
import { BotWeb } from './bot-web.ts';
import { CallbackRoute } from './callback-route.ts';
import { Callbacks } from './callbacks.ts';
import { CommandRoutes } from './command-routes.ts';
import { DiscordProxy } from './discord-proxy.ts';
import { EventFeed } from './event-feed.ts';
import { GuildCache } from './guild-cache.ts';
import { Interactions } from './interactions.ts';
import { LocalGateway } from './local-gateway.ts';
import { LocalRest } from './local-rest.ts';
import { type LocalServer, startLocalServer } from './local-server.ts';
import { type ClientPayload, type Identify, OP } from './protocol.ts';
import { RateLimit } from './rate-limit.ts';
import { Welcome } from './welcome.ts';

export interface BesideOptions {
  readonly config: GatewayConfig;
  readonly settings: BesideSettings;
  readonly ordinal: number;
  /** The most pods that share the bot's rate limit. */
  readonly pods: number;
  readonly owns: (guildId: string) => boolean;
  readonly connection: Connection;
  readonly log: Logger;
  /**
   * Starts this pod's sessions with the bot's intents. Called once they are known, and again when the bot has changed them, after
   * the former sessions have ended.
   */
  readonly connect: (intents: number) => Promise<DiscordSessions>;
}

/** A pod's side of a bot that knows nothing of Guildway: the pod plays Discord to it. */
export class Beside {
  readonly interactions: ForeignBot;
  /** Serves the bot's pages. Null: it has none. */
  readonly web: BotWeb | null;
  readonly #options: BesideOptions;
  readonly #feed: EventFeed;
  readonly #gateway: LocalGateway;
  readonly #welcome: Welcome;
  readonly #callbacks = new Callbacks();
  readonly #proxy: DiscordProxy;
  readonly #rest: LocalRest;
  #server: LocalServer | null = null;
  #process: BotProcess | null = null;
  #sessions: DiscordSessions | null = null;
  #connecting: Promise<void> = Promise.resolve();
  #intents: number | null = null;
  /** The bot's presence. A new session needs it again. */
  #presence: ClientPayload | null = null;
  #stopped = false;

  constructor(options: BesideOptions) {
    this.#options = options;
    const { config, settings, ordinal, pods, owns, connection, log } = options;
    const store = new BesideStore(connection);
    const guilds = new GuildCache(store, owns);
    this.#gateway = new LocalGateway({
      token: config.discordToken ?? '',
      guilds,
      whenWelcome: (identify) => this.#whenWelcome(identify),
      onBot: (event) => this.#onBot(event),
      onRoom: () => this.#feed.flush(),
      forward: (payload) => this.#forward(payload),
      log,
    });
    this.#feed = new EventFeed({
      ...{ store, guilds, receiver: this.#gateway, log },
      onArrival: () => this.#welcome.check(),
    });
    this.#welcome = new Welcome({
      ...{ store, guilds },
      hasSessions: () => this.#sessions?.readiness().ready ?? false,
      onOutdated: () => void this.#feed.whenQuiet(() => this.#gateway.invalidate()),
    });
    this.#proxy = new DiscordProxy(config.discordApiUrl, new RateLimit(restShare(ordinal, pods)));
    const callbacks = this.#callbacks;
    this.#rest = new LocalRest({
      proxy: this.#proxy,
      callbacks,
      callbackRoute: new CallbackRoute({
        ...{ proxy: this.#proxy, callbacks },
        applicationId: () => this.#welcome.applicationId ?? config.discordAppId ?? '',
      }),
      commands: new CommandRoutes({
        proxy: this.#proxy,
        registers: (guildId) => (guildId === null ? ordinal === GUILDLESS_POD : owns(guildId)),
      }),
      log: new ThrottledLog(log),
    });
    this.web = settings.web === null ? null : new BotWeb(settings.web.port);
    this.interactions = new Interactions({
      ...{ callbacks, gateway: this.#gateway },
      mayRepeat: settings.delivery === 'at-least-once',
    });
  }

  /** The port of the local gateway and REST API. */
  get port(): number {
    return this.#server?.port ?? 0;
  }

  /** Listens, starts the bot, and connects to Discord if the bot's intents are known from an earlier start. */
  async start(): Promise<void> {
    const { settings, log, ordinal, pods } = this.#options;
    this.#server = await startLocalServer(settings.port, this.#rest, this.#gateway);
    log.info({ port: this.port }, 'Discord for the bot beside this pod');
    const { intents } = this.#welcome;
    if (intents !== null) this.#connect(intents);
    if (settings.command === null) return;
    this.#process = new BotProcess({
      command: settings.command,
      env: botEnvironment({
        ...{ env: process.env, own: ownEnvironment(settings), port: this.port, ordinal, pods },
      }),
      readyMs: settings.readyMs,
      stopMs: 5_000,
      log,
      onEnd: () => this.#callbacks.abandon(),
    });
    this.#process.start();
  }

  /** Why the bot can serve nothing at present, or null. */
  unavailable(): string | null {
    return this.#gateway.isReady ? null : (this.#process?.problem ?? 'the bot is not connected to this pod');
  }

  readiness(): Readiness {
    const bot = this.unavailable();
    const discord =
      this.#sessions?.readiness() ??
      ({ ready: false, reasons: ['Discord: the bot has not identified yet, so its intents are not known'] } as const);
    return { ready: bot === null && discord.ready, reasons: [...(bot === null ? [] : [bot]), ...discord.reasons] };
  }

  state(): unknown {
    return {
      port: this.port,
      pid: this.#process?.pid ?? null,
      ready: this.#gateway.isReady,
      waitingEvents: this.#feed.waiting,
      openInteractions: this.#callbacks.open,
    };
  }

  /** Hands an event to the bot. */
  async dispatch(event: GuildEvent, recording?: Recording): Promise<EventOutcome> {
    await this.#feed.take(event, recording?.memo ?? null);
    return 'ok';
  }

  /** A session of this pod has begun. @param guildIds the guilds of this pod in it */
  readonly onSession = (data: GatewayReadyDispatchData, guildIds: readonly string[]): void => {
    const [shard, shardCount] = data.shard ?? [0, 1];
    const begun = this.#feed.begin(shard, shardCount, data.session_id, guildIds);
    if (this.#presence !== null) this.#forward(this.#presence);
    begun
      .then(() => this.#welcome.onSession(data))
      .catch((error: unknown) => {
        this.#options.log.error({ err: errorFacts(error) }, 'the guilds of a session could not be noted');
      });
  };

  /** Guilds of another pod have arrived, with what was known of them there. The bot learns of them by READY: they are not new. */
  onArrived(): void {
    void this.#feed.whenQuiet(() => this.#gateway.invalidate());
  }

  /** Guilds have left to another pod. To the bot they are down: a bot deletes the rows of a guild that has removed it. */
  onLeft(guildIds: readonly string[]): void {
    void this.#feed.whenQuiet(() => {
      for (const id of guildIds) this.#gateway.dispatch('GUILD_DELETE', { id, unavailable: true });
    });
  }

  /** Hands over nothing more, and ends the bot. Events that wait are left to the next process. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#feed.stop();
    await this.#process?.stop();
    this.#callbacks.abandon();
  }

  async close(): Promise<void> {
    await this.stop();
    await this.#server?.close();
    await this.#connecting;
    await Promise.all([this.#proxy.close(), this.web?.close()]);
  }

  async #whenWelcome(identify: Identify): Promise<Readonly<Record<string, unknown>>> {
    await this.#welcome.noteIntents(identify);
    this.#connect(identify.intents);
    if (identify.presence !== null) this.#forward({ op: OP.presence, d: identify.presence });
    const fields = await this.#welcome.fields();
    await this.#feed.whenQuiet(() => {});
    return fields;
  }

  /** Starts the sessions, or starts them anew with other intents. */
  #connect(intents: number): void {
    if (this.#intents === intents) return;
    this.#intents = intents;
    this.#connecting = this.#connecting.then(async () => {
      if (this.#stopped || this.#intents !== intents) return;
      try {
        this.#sessions = await this.#options.connect(intents);
      } catch (error) {
        this.#options.log.error({ err: errorFacts(error) }, 'the sessions could not be started');
      }
    });
  }

  #onBot(event: 'ready' | 'gone' | 'silent'): void {
    if (event === 'ready') {
      this.#options.log.info('the bot is ready');
      this.#process?.ready();
      return;
    }
    // Nobody knows what it did with the interactions that it has.
    if (event === 'silent' || this.#process === null) this.#callbacks.abandon();
    if (event === 'silent') this.#process?.silent();
    else this.#process?.gone();
    this.#options.log.warn(event === 'silent' ? 'the bot sends no heartbeats' : 'the bot has disconnected');
  }

  /** Passes a message of the bot to Discord. */
  #forward(payload: ClientPayload): void {
    if (payload.op === OP.presence) this.#presence = payload;
    const guildId = (payload.d as { guild_id?: unknown } | null)?.guild_id;
    this.#sessions?.send(payload as GatewaySendPayload, typeof guildId === 'string' ? guildId : null);
  }
}

const ownEnvironment = ({ env, web }: BesideSettings): Readonly<Record<string, string>> =>
  web?.portVariable === undefined ? env : { [web.portVariable]: String(web.port), ...env };

/** How the bot beside a pod runs. */
export interface BesideSettings {
  /** The program and its arguments. Null: something else starts it, such as another container of the pod. */
  readonly command: readonly string[] | null;
  /** The port on the loopback. 0: any free one. */
  readonly port: number;
  /** Further environment variables of the bot. */
  readonly env: Readonly<Record<string, string>>;
  readonly delivery: 'at-most-once' | 'at-least-once';
  /** How long the bot may take until it has its guilds, in milliseconds. */
  readonly readyMs: number;
  /** Where the bot serves its pages; null: nowhere. */
  readonly web: { readonly port: number; readonly portVariable?: string } | null;
}
