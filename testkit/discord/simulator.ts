import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ApplicationUrls } from './application-urls.ts';
import type { ClusterControl } from './cluster-control.ts';
import { ConsoleApi } from './console-api/console-api.ts';
import { Dispatcher } from './events/dispatcher.ts';
import { Events } from './events/events.ts';
import { dispatchMessageEvent } from './events/message-events.ts';
import { WebhookEvents } from './events/webhook-events.ts';
import { Feed, type FeedEvent } from './feed.ts';
import { GatewayControl } from './gateway/control.ts';
import { GATEWAY_PATH, Gateway, RESUME_PATH } from './gateway/gateway.ts';
import { SessionIndex } from './gateway/session-index.ts';
import { Interactions } from './interactions/interactions.ts';
import { Modals } from './interactions/modals.ts';
import { PayloadBuilder } from './interactions/payload.ts';
import { InteractionRecords } from './interactions/records.ts';
import { Responder } from './interactions/responder.ts';
import { InteractionSender } from './interactions/sender.ts';
import { WebhookSigner } from './keys.ts';
import { Misbehaviour } from './misbehaviour.ts';
import { createToken, resolveOptions, type SimulatorOptions } from './options.ts';
import { Access } from './rest/access.ts';
import { RestApi } from './rest/rest-api.ts';
import { allRoutes } from './rest/routes/all.ts';
import type { RestTraffic } from './rest/traffic.ts';
import type { Dispatch } from './rest/world-parts.ts';
import { SnowflakeSource } from './snowflake.ts';
import { AuditLog } from './store/audit-log.ts';
import { CommandStore } from './store/commands.ts';
import { FileStore } from './store/files.ts';
import { Grants } from './store/grants.ts';
import { InviteStore } from './store/invites.ts';
import { MessageBuilder } from './store/message-builder.ts';
import { MessageStore } from './store/messages.ts';
import { UnknownRequests } from './unknown.ts';
import { Violations } from './violations.ts';
import { type GuildDirectory, World } from './world/world.ts';

/** Counters since the start. */
export interface SimulatorStats {
  readonly guilds: number;
  readonly interactionsSent: number;
  readonly sessions: number;
  readonly connections: number;
  readonly messages: number;
  readonly requests: Readonly<Record<string, number>>;
  readonly statuses: Readonly<Record<string, number>>;
  readonly violations: Readonly<Record<string, number>>;
  /** Requests that are not simulated: routes, which got a 404, fields of bodies, and opcodes. */
  readonly unknownRoutes: Readonly<Record<string, number>>;
}

/** A simulated Discord: the REST API, the gateway, and the users of the bot. */
export interface DiscordSimulator extends AsyncDisposable {
  /** `http://127.0.0.1:<port>`, with the console page at `/`. */
  readonly url: string;
  /** The value for `DISCORD_API_URL`. Libraries append the version. */
  readonly apiUrl: string;
  readonly port: number;
  readonly applicationId: string;
  /** Hex. */
  readonly publicKey: string;
  /** The bot's token. Too many identifies in a day replace it. */
  readonly token: string;
  /** The URL for interactions; null sends them over the gateway. */
  interactionsUrl: string | null;
  /** The URL for event webhooks. */
  eventWebhookUrl: string | null;
  /** The pods behind the bot, for the console; null: unknown. */
  cluster: ClusterControl | null;
  /** The guilds that the bot is in. */
  readonly guilds: GuildDirectory;
  readonly world: World;
  readonly interactions: Interactions;
  readonly events: Events;
  readonly gateway: GatewayControl;
  readonly misbehave: Misbehaviour;
  readonly rest: RestTraffic;
  readonly commands: CommandStore;
  readonly messages: MessageStore;
  readonly violations: Violations;
  /** OAuth2: users authorize the application. */
  readonly grants: Grants;
  /** Subscribes to all events. @returns a function that ends the subscription */
  watch(listener: (event: FeedEvent) => void): () => void;
  stats(): SimulatorStats;
  /** Closes every connection. Interactions in flight end with an error. */
  stop(): Promise<void>;
}

/** Starts a simulator. @throws Error `EADDRINUSE` if the port is in use */
export async function startDiscordSimulator(options: SimulatorOptions = {}): Promise<DiscordSimulator> {
  const resolved = resolveOptions(options);
  const { applicationId, clock, keyPair, log } = resolved;
  const stopping = new AbortController();
  const credentials = {
    token: resolved.token,
    reset() {
      this.token = createToken(applicationId, randomBytes(16).toString('hex'));
    },
  };
  const feed = new Feed();
  const violations = new Violations(clock, feed);
  const misbehave = new Misbehaviour(stopping.signal);
  const ids = new SnowflakeSource(clock);
  const world = new World(resolved);
  const files = new FileStore(ids);
  const builder = new MessageBuilder(ids, world, files);
  const signer = new WebhookSigner(keyPair);
  const unknown = new UnknownRequests(log, feed);
  const sessions = new SessionIndex();
  const dispatcher = new Dispatcher(sessions, world);
  const dispatch: Dispatch = (name, data, guildId) => dispatcher.send(name, data, guildId);
  const gateway = new Gateway({ options: resolved, credentials, world, violations, feed, sessions, dispatch, unknown });

  const messages = new MessageStore(resolved.messagesPerChannel, (change, stored) => {
    if (change === 'create') world.noteMessage(stored.channelId, stored.message.id);
    dispatchMessageEvent(dispatcher, world, change, stored);
    if (!feed.active) return;
    const { guildId, channelId, visibleTo, message } = stored;
    if (change === 'create') feed.publish({ type: 'message', guildId, visibleTo, message });
    else if (change === 'update') feed.publish({ type: 'message_update', guildId, visibleTo, message });
    else feed.publish({ type: 'message_delete', guildId, channelId, messageId: message.id });
  });
  const commands = new CommandStore(ids, applicationId, (guildId, count) => {
    log('commands registered', { guildId, count });
    feed.publish({ type: 'commands', guildId, count });
  });

  const deadlineMs = resolved.interactionDeadlineMs;
  const records = new InteractionRecords(clock, ids);
  const modals = new Modals();
  const responder = new Responder({ clock, ids, world, messages, builder, records, modals, violations, deadlineMs });
  const sender = new InteractionSender({
    clock,
    feed,
    signer,
    messages,
    records,
    responder,
    violations,
    misbehaviour: misbehave,
    deadlineMs,
    probeEvery: resolved.probeEvery,
    dispatch: (guildId, json) => gateway.sessions.deliver('INTERACTION_CREATE', guildId, json),
  });
  const interactions = new Interactions({
    applicationId,
    clock,
    signer,
    builder: new PayloadBuilder({ world, commands, messages, files, modals, records }),
    records,
    sender,
    newId: () => ids.next(),
  });
  const webhooks = new WebhookEvents({
    applicationId,
    clock,
    signer,
    feed,
    violations,
    backoffMs: resolved.eventWebhookBackoffMs,
    deadlineMs,
    stopped: stopping.signal,
  });
  sender.setUrl(resolved.interactionsUrl);
  webhooks.setUrl(resolved.eventWebhookUrl);
  const invites = new InviteStore();
  const events = new Events({ ids, world, messages, builder, invites, gateway, dispatch, webhooks });

  const grants = new Grants(clock);
  const audit = new AuditLog(ids, world.bot.id, dispatch);
  const routes = allRoutes({
    ...{ ids, world, messages, builder, audit, invites, dispatch },
    ...{ applicationId, publicKey: keyPair.publicKey, commands, records, responder, grants },
    urls: new ApplicationUrls(sender, interactions, webhooks),
    gateway: {
      maxConcurrency: resolved.maxConcurrency,
      guildCount: resolved.guilds,
      startLimit: () => gateway.limits.startLimit(),
    },
  });
  const access = new Access({ world, messages }, routes);
  const rest = new RestApi({
    misbehaviour: misbehave,
    violations,
    globalRequestsPerSecond: resolved.globalRequestsPerSecond,
    token: () => credentials.token,
    unknown,
    access,
    grants,
    routes,
  });

  const server = createServer();
  server.keepAliveTimeout = 65_000;
  await listen(server, resolved.port, resolved.host);
  const { port } = server.address() as AddressInfo;
  const shownHost = resolved.host === '0.0.0.0' || resolved.host === '::' ? '127.0.0.1' : resolved.host;
  const url = `http://${shownHost.includes(':') ? `[${shownHost}]` : shownHost}:${port}`;
  files.baseUrl = url;

  const simulator: DiscordSimulator = {
    url,
    apiUrl: `${url}/api`,
    port,
    applicationId,
    publicKey: keyPair.publicKey,
    get token() {
      return credentials.token;
    },
    get interactionsUrl() {
      return sender.url;
    },
    set interactionsUrl(value) {
      sender.setUrl(value);
    },
    get eventWebhookUrl() {
      return webhooks.url;
    },
    set eventWebhookUrl(value) {
      webhooks.setUrl(value);
    },
    cluster: null,
    guilds: world.guilds,
    world,
    interactions,
    events,
    gateway: new GatewayControl(gateway),
    misbehave,
    rest: rest.traffic,
    commands,
    messages,
    violations,
    grants,
    watch: (listener) => feed.subscribe(listener),
    stats: () => ({
      guilds: world.guilds.size,
      interactionsSent: sender.sent,
      sessions: gateway.sessions.size,
      connections: gateway.connections.length,
      messages: messages.size,
      requests: rest.traffic.counts(),
      statuses: rest.traffic.statuses(),
      violations: violations.counts(),
      unknownRoutes: unknown.counts(),
    }),
    async stop() {
      if (stopping.signal.aborted) return;
      stopping.abort();
      consoleApi.stop();
      gateway.stop();
      await Promise.all([sender.close(), webhooks.close()]);
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
    async [Symbol.asyncDispose]() {
      await simulator.stop();
    },
  };
  const consoleApi = new ConsoleApi(simulator, files, resolved.consoleHosts);

  server.on('request', (request, response) => {
    const path = request.url ?? '/';
    const served = path.startsWith('/api/') ? rest.serve(request, response) : consoleApi.serve(request, response);
    served.catch((error: unknown) => {
      log('request failed', { path: path.split('?')[0], error: String(error) });
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end();
    });
  });
  server.on('upgrade', (request, socket, head) => {
    const path = (request.url ?? '').split('?')[0]?.replace(/\/$/, '');
    if (path === GATEWAY_PATH || path === RESUME_PATH || path === '') gateway.upgrade(request, socket, head);
    else socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n');
  });
  log('simulator started', { url, applicationId, guilds: world.guilds.size });
  return simulator;
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
}
