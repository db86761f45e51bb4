import { checkGatewayUrlTemplate } from '../routing/gateway-url.ts';
import { MAX_PODS, MAX_SHARDS, type RoutingStrategy } from '../routing/topology.ts';
import {
  bytes,
  httpUrl,
  integer,
  milliseconds,
  NotAllowed,
  oneOf,
  type Reader,
  snowflake,
  text,
  trustedProxies,
} from './readers.ts';

export type ServiceMode = 'http' | 'gateway' | 'monolith';
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** One environment variable. docs/configuration.md is generated from the table below. */
export interface Variable<T> extends Reader<T> {
  readonly name: string;
  /** The default as it would stand in the environment; null: there is no default. */
  readonly fallback: string | null;
  readonly about: string;
  /** The modes that read it. */
  readonly modes: readonly ServiceMode[];
  /** Never print its value. */
  readonly secret?: true;
  /** A warning at start if it is not set, in the modes that lack something without it. */
  readonly missing?: { readonly modes: readonly ServiceMode[]; readonly means: string };
}

const ALL = ['http', 'gateway', 'monolith'] as const;
const EDGE = ['http', 'monolith'] as const;
const OWNER = ['gateway', 'monolith'] as const;
/** A monolith is pod 0 of 1. */
const PODS = ['gateway'] as const;

function define<const T extends Record<string, Variable<unknown>>>(table: T): T {
  return table;
}

export const VARIABLES = define({
  serviceMode: {
    name: 'SERVICE_MODE',
    fallback: 'monolith',
    modes: ALL,
    about: 'What this process is: a stateless HTTP pod, a gateway pod with its database, or both.',
    ...oneOf('http', 'gateway', 'monolith'),
  },
  port: {
    name: 'PORT',
    fallback: '3000',
    modes: ALL,
    about: 'The port of the service. 0 picks a free port.',
    ...integer(0, 65535),
  },
  adminPort: {
    name: 'ADMIN_PORT',
    fallback: '9090',
    modes: ALL,
    about: 'The port of /healthz, /readyz and /metrics. Keep it inside the cluster. 0 picks a free port.',
    ...integer(0, 65535),
  },
  adminHosts: {
    name: 'ADMIN_HOSTS',
    fallback: null,
    modes: ALL,
    about:
      'More host names that the admin port accepts in `Host`, separated by commas. It always accepts localhost and IP addresses, which probes and Prometheus use. Any other name could be one that a web page points at this port (DNS rebinding).',
    allowed: 'host names, separated by commas',
    parse: (raw: string): readonly string[] => {
      const names = raw
        .toLowerCase()
        .split(',')
        .map((name) => name.trim());
      if (!names.every((name) => /^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/.test(name))) throw new NotAllowed();
      return names;
    },
  },
  host: {
    name: 'HOST',
    fallback: null,
    modes: ALL,
    about: 'The address that both ports listen on. Default: all addresses, IPv4 and IPv6.',
    ...text('an address'),
  },
  numGatewayPods: {
    name: 'NUM_GATEWAY_PODS',
    fallback: '3',
    modes: ALL,
    about:
      'N, the number of gateway pods. All pods have the same value, and so does `replicas` of the StatefulSet. A monolith is always one pod.',
    ...integer(1, MAX_PODS),
  },
  routing: {
    name: 'ROUTING',
    fallback: 'md5',
    modes: ALL,
    about: 'How the owner of a guild is computed.',
    ...oneOf<RoutingStrategy>('md5', 'discord-shard'),
  },
  discordShards: {
    name: 'DISCORD_SHARDS',
    fallback: null,
    modes: ALL,
    about:
      "Discord's shard count. `ROUTING=discord-shard` requires it, with at least NUM_GATEWAY_PODS shards. Default under `md5`: what Discord recommends.",
    ...integer(1, MAX_SHARDS),
  },
  epoch: {
    name: 'TOPOLOGY_EPOCH',
    fallback: '1',
    modes: ALL,
    about:
      'Increase it by one with each change of NUM_GATEWAY_PODS, ROUTING or DISCORD_SHARDS, so that pods can tell old from new.',
    ...integer(1, Number.MAX_SAFE_INTEGER),
  },
  topologyConfirmed: {
    name: 'TOPOLOGY_CONFIRMED',
    fallback: null,
    modes: PODS,
    about:
      'Lets a pod without rows start although other pods do not answer. Set it, to the topology that the waiting pod names, when you know that those pods have no rows under another topology. Remove it afterwards.',
    ...text('`md5/<pods>` or `discord-shard/<shards>/<pods>`', (raw) =>
      /^(md5|discord-shard\/[1-9][0-9]*)\/[1-9][0-9]*$/.test(raw),
    ),
  },
  gatewayUrlTemplate: {
    name: 'GATEWAY_URL_TEMPLATE',
    fallback: 'http://gateway-{ordinal}.gateway-internal:3000',
    modes: ALL,
    about:
      "The URL of a gateway pod. `{ordinal}` is the pod's number. `{7000+ordinal}` adds the number to 7000, for pods that share a host.",
    allowed: 'a URL with {ordinal}',
    parse(raw: string): string {
      checkGatewayUrlTemplate(raw);
      return raw;
    },
  },
  podName: {
    name: 'POD_NAME',
    fallback: null,
    modes: ALL,
    about:
      'The name of this pod in logs and metrics. A gateway pod takes its ordinal from the number at the end (`gateway-2`). Default: the host name.',
    ...text('a name'),
  },
  podOrdinal: {
    name: 'POD_ORDINAL',
    fallback: null,
    modes: PODS,
    about: 'The ordinal of a gateway pod whose POD_NAME does not end in it.',
    ...integer(0, 9_999),
  },
  databasePath: {
    name: 'DATABASE_PATH',
    fallback: '/data/guildway.sqlite3',
    modes: OWNER,
    about: "This pod's SQLite database. Each pod has a file of its own. The pod creates the folder if it can.",
    ...text('a path'),
  },
  bot: {
    name: 'BOT',
    fallback: null,
    modes: ALL,
    about:
      'The bot: a module whose default export comes from `defineBot`, as a path or a package name; or the `guildway.config` file of an existing bot. Default: the moderation bot that ships with Guildway. HTTP pods use only its manifest.',
    ...text('a path or a package name'),
  },
  botCommand: {
    name: 'BOT_COMMAND',
    fallback: null,
    modes: ALL,
    about:
      'The command that starts an existing bot, which knows nothing of Guildway, beside this pod: see [existing-bots.md](existing-bots.md). `guildway run` sets it. It overrides `command` of `guildway.config`.',
    allowed: 'a list of texts as JSON, such as `["node","index.js"]`',
    parse(raw: string): readonly string[] {
      const words: unknown = JSON.parse(raw);
      if (!Array.isArray(words) || words.length === 0 || !words.every((word) => typeof word === 'string')) {
        throw new NotAllowed();
      }
      return words as readonly string[];
    },
  },
  localDiscordPort: {
    name: 'LOCAL_DISCORD_PORT',
    fallback: '0',
    modes: OWNER,
    about:
      'The port on the loopback where this pod plays Discord to an existing bot: gateway and REST API. 0 picks a free port, for a bot that the pod starts. A bot in a container of its own needs a fixed port.',
    ...integer(0, 65535),
  },
  botWebPort: {
    name: 'BOT_WEB_PORT',
    fallback: null,
    modes: OWNER,
    about: "The port of an existing bot's web server. It overrides `web.port` of `guildway.config`.",
    ...integer(1, 65535),
  },
  linkSecret: {
    name: 'LINK_SECRET',
    fallback: null,
    modes: ALL,
    secret: true,
    about:
      'A secret that all pods share; it proves that a caller is one of them. Gateway pods require it. An HTTP pod without it uses plain HTTP only. Create one with `openssl rand -hex 32`.',
    missing: { modes: ['http'], means: 'gateway pods are reached over plain HTTP only' },
    ...text('16 characters or more', (raw) => raw.length >= 16),
  },
  discordToken: {
    name: 'DISCORD_TOKEN',
    fallback: null,
    modes: OWNER,
    secret: true,
    about: "The bot's token. A gateway pod without it answers requests but does not connect to Discord.",
    missing: { modes: OWNER, means: 'this pod has no Discord connection and gets no events' },
    ...text('a bot token', (raw) => /^\S+$/.test(raw)),
  },
  discordPublicKey: {
    name: 'DISCORD_PUBLIC_KEY',
    fallback: null,
    modes: EDGE,
    about: "The application's public key. It verifies requests from Discord. Without it, every interaction gets 401.",
    missing: { modes: EDGE, means: 'every interaction is answered with 401' },
    ...text('64 hexadecimal digits', (raw) => /^[0-9a-fA-F]{64}$/.test(raw)),
  },
  discordAppId: {
    name: 'DISCORD_APP_ID',
    fallback: null,
    modes: OWNER,
    about:
      "The application's id. Without it, commands are not registered. Pod 0 registers them; if pod 0 stays away, the lowest pod that is alive does.",
    ...snowflake,
  },
  discordCommandsGuild: {
    name: 'DISCORD_COMMANDS_GUILD',
    fallback: null,
    modes: OWNER,
    about:
      "For development: the guild whose members alone get the bot's commands. Discord shows a change at once. Commands that are registered for every guild stay.",
    ...snowflake,
  },
  discordApiUrl: {
    name: 'DISCORD_API_URL',
    fallback: 'https://discord.com/api',
    modes: OWNER,
    about: "The root of Discord's REST API, without the version. The local cluster sets it to its simulator.",
    ...httpUrl,
  },
  identifyIntervalMs: {
    name: 'IDENTIFY_INTERVAL_MS',
    fallback: '5500',
    modes: OWNER,
    about:
      "The shortest time between two identifies of one bucket of shards. Pod 0 enforces it for all pods; while pod 0 is away, each pod uses time slots of its own. Discord's limit is 5000. The default leaves room for delays on the way. Use less only with simulators.",
    ...milliseconds(1, 60_000),
  },
  eventSkewMs: {
    name: 'EVENT_SKEW_MS',
    fallback: '2000',
    modes: OWNER,
    about:
      "While guilds move: how far apart two sessions may receive the same event of Discord's gateway. Guilds begin to move about twice as long after all sessions are ready. Use less only with simulators.",
    ...milliseconds(1, 60_000),
  },
  signatureMaxAgeMs: {
    name: 'SIGNATURE_MAX_AGE_MS',
    fallback: '600000',
    modes: EDGE,
    about:
      "How far a signature's timestamp may differ from this pod's clock. Discord documents no limit, so keep it wide. 0 turns the check off.",
    ...milliseconds(0, 86_400_000),
  },
  stripeWebhookSecret: {
    name: 'STRIPE_WEBHOOK_SECRET',
    fallback: null,
    modes: EDGE,
    secret: true,
    about:
      "Verifies Stripe's signature in the HTTP pod. Without it, /webhooks/stripe is routed but never stored for an owner that is away, because anybody could fill the disk.",
    ...text('a signing secret, whsec_…', (raw) => raw.length >= 8),
  },
  trustedProxies: {
    name: 'TRUSTED_PROXIES',
    fallback: 'private',
    modes: EDGE,
    about:
      "Which proxies may set `X-Forwarded-For`, `-Proto`, `-Host` and `Forwarded`: the number of proxies in front of this service, or their addresses. `private` trusts loopback, link-local and private networks, where a cluster's ingress is. Use `none` for pods that clients reach directly. A trusted proxy must overwrite or extend the values that clients send.",
    allowed: '`none`, `private`, a number from 1 to 10, or addresses and networks (`10.0.0.0/8`) separated by commas',
    parse: trustedProxies,
  },
  maxBodyBytes: {
    name: 'MAX_BODY_BYTES',
    fallback: '8388608',
    modes: ALL,
    about:
      'The largest request body on a guild route that has the id in its path, query or headers. The limit is 256 KiB for interactions, webhooks and routes that have the id in the body.',
    ...bytes(1024),
  },
  headersTimeoutMs: {
    name: 'HEADERS_TIMEOUT_MS',
    fallback: '10000',
    modes: ALL,
    about: 'How long a client may take to send its headers. On a gateway pod: how long an HTTP pod may take.',
    ...milliseconds(100, 600_000),
  },
  bodyTimeoutMs: {
    name: 'BODY_TIMEOUT_MS',
    fallback: '30000',
    modes: ALL,
    about: 'How long a client may take to send a whole request. HEADERS_TIMEOUT_MS applies instead if it is longer.',
    ...milliseconds(100, 3_600_000),
  },
  keepAliveMs: {
    name: 'KEEP_ALIVE_MS',
    fallback: '75000',
    modes: ALL,
    about:
      "How long an idle connection stays open. On HTTP pods, set it longer than the load balancer's timeout, or the load balancer uses connections that are already closed.",
    ...milliseconds(100, 3_600_000),
  },
  maxConnections: {
    name: 'MAX_CONNECTIONS',
    fallback: '10000',
    modes: ALL,
    about: 'Concurrent connections. Further connections are refused.',
    ...integer(1, 1_000_000),
  },
  interactionBudgetMs: {
    name: 'INTERACTION_BUDGET_MS',
    fallback: '2500',
    modes: EDGE,
    about: 'Time for the first response to an interaction or to a webhook event from Discord. Discord allows 3000.',
    ...milliseconds(100, 2_900),
  },
  standInReserveMs: {
    name: 'STAND_IN_RESERVE_MS',
    fallback: '700',
    modes: EDGE,
    about:
      'The last part of INTERACTION_BUDGET_MS, reserved for storing the interaction at a stand-in. For other webhooks: the last part of REQUEST_TIMEOUT_MS.',
    ...milliseconds(10, 2_000),
  },
  requestTimeoutMs: {
    name: 'REQUEST_TIMEOUT_MS',
    fallback: '10000',
    modes: ALL,
    about:
      "Time for the response to a guild page, an API request or Stripe's webhook. On a gateway pod: for plain HTTP requests that carry no deadline.",
    ...milliseconds(100, 600_000),
  },
  connectTimeoutMs: {
    name: 'CONNECT_TIMEOUT_MS',
    fallback: '1000',
    modes: ALL,
    about:
      'Time for opening a connection to a gateway pod, including the handshake. A gateway pod gives its side of the handshake the same time.',
    ...milliseconds(10, 60_000),
  },
  linkHeartbeatMs: {
    name: 'LINK_HEARTBEAT_MS',
    fallback: '5000',
    modes: ALL,
    about: 'The interval of heartbeats on a link. A link that is silent for three intervals is closed.',
    ...milliseconds(50, 60_000),
  },
  linkMaxInFlight: {
    name: 'LINK_MAX_IN_FLIGHT',
    fallback: '4096',
    modes: ALL,
    about: 'Requests in flight on one link. Beyond that, a request is treated as if the pod were away.',
    ...integer(1, 1_000_000),
  },
  retryBudgetPercent: {
    name: 'RETRY_BUDGET_PERCENT',
    fallback: '20',
    modes: EDGE,
    about: 'Retries as a percentage of live requests, so that retries do not overload a pod that is in trouble.',
    ...integer(0, 100),
  },
  retryBaseMs: {
    name: 'RETRY_BASE_MS',
    fallback: '50',
    modes: EDGE,
    about: 'The first retry waits for a random time up to this. The maximum doubles with each further retry.',
    ...milliseconds(1, 10_000),
  },
  breakerFailures: {
    name: 'BREAKER_FAILURES',
    fallback: '5',
    modes: EDGE,
    about: 'After so many failures in a row, a pod counts as away and gets no requests.',
    ...integer(1, 1_000),
  },
  breakerOpenMs: {
    name: 'BREAKER_OPEN_MS',
    fallback: '1000',
    modes: EDGE,
    about: 'How long a pod gets no requests after BREAKER_FAILURES, until one request probes it.',
    ...milliseconds(10, 60_000),
  },
  hintMaxCount: {
    name: 'HINT_MAX_COUNT',
    fallback: '50000',
    modes: OWNER,
    about: 'How many requests a gateway pod stores for other pods.',
    ...integer(0, 10_000_000),
  },
  hintMaxBytes: {
    name: 'HINT_MAX_BYTES',
    fallback: '268435456',
    modes: OWNER,
    about: 'The total size of the request bodies that a gateway pod stores for other pods.',
    ...bytes(0),
  },
  hintMinFreeBytes: {
    name: 'HINT_MIN_FREE_BYTES',
    fallback: '67108864',
    modes: OWNER,
    about: 'With less free disk space than this, a gateway pod stores nothing for other pods.',
    ...bytes(0),
  },
  hintRatePerSecond: {
    name: 'HINT_RATE_PER_SECOND',
    fallback: '300',
    modes: OWNER,
    about: 'How many stored requests per second a stand-in delivers to an owner that is back.',
    ...integer(1, 100_000),
  },
  setAsideMs: {
    name: 'SET_ASIDE_MS',
    fallback: '86400000',
    modes: OWNER,
    about:
      "How long a gateway pod keeps a compressed copy of a guild that it gave to another pod. If the new owner's volume is lost in that time, the copy replaces it.",
    ...milliseconds(0, 2_592_000_000),
  },
  drainTimeoutMs: {
    name: 'DRAIN_TIMEOUT_MS',
    fallback: '20000',
    modes: ALL,
    about: 'How long requests in flight may take after SIGTERM. After that, the process ends anyway.',
    ...milliseconds(0, 600_000),
  },
  streamDrainMs: {
    name: 'STREAM_DRAIN_MS',
    fallback: '3000',
    modes: OWNER,
    about:
      "How long streams (downloads, event streams) of a gateway pod may go on after SIGTERM. The pod's guilds are away for that time, so it is short. DRAIN_TIMEOUT_MS limits it too.",
    ...milliseconds(0, 600_000),
  },
  idleDrainMs: {
    name: 'IDLE_DRAIN_MS',
    fallback: '1000',
    modes: EDGE,
    about:
      'How long an idle connection may bring one more request after SIGTERM. The response closes the connection. A request that arrives on a closing connection fails, so set it longer if many clients keep connections open. The pod takes at least this long to end.',
    ...milliseconds(0, 600_000),
  },
  drainDelayMs: {
    name: 'DRAIN_DELAY_MS',
    fallback: '0',
    modes: ALL,
    about:
      'How long the pod goes on serving after SIGTERM while it reports not ready, so that load balancers notice first. In Kubernetes the preStop hook does this.',
    ...milliseconds(0, 60_000),
  },
  logLevel: {
    name: 'LOG_LEVEL',
    fallback: 'info',
    modes: ALL,
    about: 'The lowest level that is logged. `debug` logs a line for each request.',
    ...oneOf<LogLevel>('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
  },
});
