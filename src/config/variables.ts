import { checkGatewayUrlTemplate } from '../routing/gateway-url.ts';
import type { RoutingStrategy } from '../routing/topology.ts';
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

/**
 * One environment variable. The table below is the only place that knows names, defaults and what is allowed;
 * docs/configuration.md is generated from it.
 */
export interface Variable<T> extends Reader<T> {
  readonly name: string;
  /** The raw default, as it would be written in the environment; null where there is none. */
  readonly fallback: string | null;
  readonly about: string;
  /** Which modes read it. */
  readonly modes: readonly ServiceMode[];
  /** Its value must not be printed. */
  readonly secret?: true;
  /** Said at start where it is not set and these modes lack something without it. */
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
    about: 'What this process is: a stateless HTTP pod, a gateway pod with its database, or both in one.',
    ...oneOf('http', 'gateway', 'monolith'),
  },
  port: {
    name: 'PORT',
    fallback: '3000',
    modes: ALL,
    about: 'The port of the service. 0 takes any free one.',
    ...integer(0, 65535),
  },
  adminPort: {
    name: 'ADMIN_PORT',
    fallback: '9090',
    modes: ALL,
    about: 'The port of /healthz, /readyz and /metrics. Keep it inside the cluster. 0 takes any free one.',
    ...integer(0, 65535),
  },
  adminHosts: {
    name: 'ADMIN_HOSTS',
    fallback: null,
    modes: ALL,
    about:
      'Host names, separated by commas, under which the admin port may be asked for, beside localhost and IP addresses, which probes and Prometheus use. A page of another site can point any other name at it (DNS rebinding).',
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
    about: 'The address both ports listen on. Default: every address, IPv4 and IPv6.',
    ...text('an address'),
  },
  numGatewayPods: {
    name: 'NUM_GATEWAY_PODS',
    fallback: '3',
    modes: ALL,
    about:
      'N, the number of gateway pods. The same for every pod, and the `replicas` of the StatefulSet. A monolith is always one pod.',
    ...integer(1, 10_000),
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
      "Discord's shard count. Required with `ROUTING=discord-shard` and then NUM_GATEWAY_PODS or more; under `md5` Discord's recommendation is used when it is not set.",
    ...integer(1, 100_000),
  },
  epoch: {
    name: 'TOPOLOGY_EPOCH',
    fallback: '1',
    modes: ALL,
    about:
      'Grows by one with every change of NUM_GATEWAY_PODS, ROUTING or DISCORD_SHARDS, so that an old pod cannot be mistaken for a new one.',
    ...integer(1, Number.MAX_SAFE_INTEGER),
  },
  topologyConfirmed: {
    name: 'TOPOLOGY_CONFIRMED',
    fallback: null,
    modes: PODS,
    about:
      "An operator's word that pods which do not answer have no rows under another topology, so that a first start need not wait for them: the topology that is vouched for, as the waiting pod names it. Remove it afterwards.",
    ...text('`md5/<pods>` or `discord-shard/<shards>/<pods>`', (raw) =>
      /^(md5|discord-shard\/[1-9][0-9]*)\/[1-9][0-9]*$/.test(raw),
    ),
  },
  gatewayUrlTemplate: {
    name: 'GATEWAY_URL_TEMPLATE',
    fallback: 'http://gateway-{ordinal}.gateway-internal:3000',
    modes: ALL,
    about:
      "The URL of a gateway pod. `{ordinal}` is the pod's number; `{7000+ordinal}` adds to it, for pods that share a host.",
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
      'The name of this pod, for logs and metrics; a gateway pod reads its ordinal from the number at its end (`gateway-2`). Default: the host name.',
    ...text('a name'),
  },
  podOrdinal: {
    name: 'POD_ORDINAL',
    fallback: null,
    modes: PODS,
    about: 'The ordinal of a gateway pod, where POD_NAME does not end in it.',
    ...integer(0, 9_999),
  },
  databasePath: {
    name: 'DATABASE_PATH',
    fallback: '/data/guildway.sqlite3',
    modes: OWNER,
    about: "This pod's SQLite database. One pod, one file; its folder must exist or be creatable.",
    ...text('a path'),
  },
  bot: {
    name: 'BOT',
    fallback: null,
    modes: ALL,
    about:
      'The bot: a module whose default export is made by `defineBot`, as a path or a package name. Default: the moderation bot that ships. HTTP pods read only its manifest.',
    ...text('a path or a package name'),
  },
  linkSecret: {
    name: 'LINK_SECRET',
    fallback: null,
    modes: ALL,
    secret: true,
    about:
      'Shared by all pods; proves that a caller is one of them. Required by gateway pods. An HTTP pod without it speaks only plain HTTP. Make one with `openssl rand -hex 32`.',
    missing: { modes: ['http'], means: 'gateway pods are reached over plain HTTP only' },
    ...text('16 characters or more', (raw) => raw.length >= 16),
  },
  discordToken: {
    name: 'DISCORD_TOKEN',
    fallback: null,
    modes: OWNER,
    secret: true,
    about: "The bot's token. Without it a gateway pod answers requests but has no Discord connection.",
    missing: { modes: OWNER, means: 'this pod has no Discord connection and gets no events' },
    ...text('a bot token', (raw) => /^\S+$/.test(raw)),
  },
  discordPublicKey: {
    name: 'DISCORD_PUBLIC_KEY',
    fallback: null,
    modes: EDGE,
    about:
      "The application's public key, which verifies what Discord sends. Without it every interaction is answered with 401.",
    missing: { modes: EDGE, means: 'every interaction is answered with 401' },
    ...text('64 hexadecimal digits', (raw) => /^[0-9a-fA-F]{64}$/.test(raw)),
  },
  discordAppId: {
    name: 'DISCORD_APP_ID',
    fallback: null,
    modes: OWNER,
    about:
      "The application's id, for registering commands; without it they are not registered. Pod 0 does so, or the lowest pod that lives while pod 0 stays away.",
    ...snowflake,
  },
  discordApiUrl: {
    name: 'DISCORD_API_URL',
    fallback: 'https://discord.com/api',
    modes: OWNER,
    about: "The root of Discord's REST API, without the version. The local cluster points it at its simulator.",
    ...httpUrl,
  },
  identifyIntervalMs: {
    name: 'IDENTIFY_INTERVAL_MS',
    fallback: '5500',
    modes: OWNER,
    about:
      "How often one bucket of shards may identify. Pod 0 keeps to it for all pods; while it is away, each pod does so by the clock. Discord's is 5000, and what is sent so far apart by busy pods may arrive closer; less is for simulators.",
    ...milliseconds(1, 60_000),
  },
  signatureMaxAgeMs: {
    name: 'SIGNATURE_MAX_AGE_MS',
    fallback: '600000',
    modes: EDGE,
    about:
      "How far a signature's timestamp may be from this pod's clock. Discord documents no window, so keep it wide; 0 switches the check off.",
    ...milliseconds(0, 86_400_000),
  },
  stripeWebhookSecret: {
    name: 'STRIPE_WEBHOOK_SECRET',
    fallback: null,
    modes: EDGE,
    secret: true,
    about:
      "Verifies Stripe's signature at the edge. Without it /webhooks/stripe is routed but never kept for an owner that is away: anybody could fill the disk.",
    ...text('a signing secret, whsec_…', (raw) => raw.length >= 8),
  },
  trustedProxies: {
    name: 'TRUSTED_PROXIES',
    fallback: 'private',
    modes: EDGE,
    about:
      "Whose `X-Forwarded-For`, `-Proto`, `-Host` and `Forwarded` count: the number of proxies in front of this service, or their addresses. `private` is loopback, link-local and private networks, where a cluster's ingress is; `none` is for pods that clients reach directly. A proxy must overwrite what clients send, or add to it.",
    allowed: '`none`, `private`, a number from 1 to 10, or addresses and networks (`10.0.0.0/8`) separated by commas',
    parse: trustedProxies,
  },
  maxBodyBytes: {
    name: 'MAX_BODY_BYTES',
    fallback: '8388608',
    modes: ALL,
    about:
      'The largest request body of a guild route whose id is in its path, query or headers. Interactions, webhooks, and routes whose id is in the body are bounded by 256 KiB.',
    ...bytes(1024),
  },
  headersTimeoutMs: {
    name: 'HEADERS_TIMEOUT_MS',
    fallback: '10000',
    modes: ALL,
    about: 'How long a client, or on a gateway pod an HTTP pod, may take to send its headers.',
    ...milliseconds(100, 600_000),
  },
  bodyTimeoutMs: {
    name: 'BODY_TIMEOUT_MS',
    fallback: '30000',
    modes: ALL,
    about: 'How long it may take to send a whole request; HEADERS_TIMEOUT_MS where that is longer.',
    ...milliseconds(100, 3_600_000),
  },
  keepAliveMs: {
    name: 'KEEP_ALIVE_MS',
    fallback: '75000',
    modes: ALL,
    about:
      "How long an idle connection stays open. On HTTP pods longer than the load balancer's, or it will meet closed connections.",
    ...milliseconds(100, 3_600_000),
  },
  maxConnections: {
    name: 'MAX_CONNECTIONS',
    fallback: '10000',
    modes: ALL,
    about: 'Connections at once; further ones are refused.',
    ...integer(1, 1_000_000),
  },
  interactionBudgetMs: {
    name: 'INTERACTION_BUDGET_MS',
    fallback: '2500',
    modes: EDGE,
    about: 'Time for the first answer to an interaction or a webhook event of Discord. Discord allows 3000.',
    ...milliseconds(100, 2_900),
  },
  standInReserveMs: {
    name: 'STAND_IN_RESERVE_MS',
    fallback: '700',
    modes: EDGE,
    about:
      'The end of INTERACTION_BUDGET_MS that is kept for storing the interaction at a stand-in; for other webhooks of REQUEST_TIMEOUT_MS.',
    ...milliseconds(10, 2_000),
  },
  requestTimeoutMs: {
    name: 'REQUEST_TIMEOUT_MS',
    fallback: '10000',
    modes: ALL,
    about:
      "Time for the answer to a guild page, an API request or Stripe's webhook; on a gateway pod, for plain HTTP that does not say how long it waits.",
    ...milliseconds(100, 600_000),
  },
  connectTimeoutMs: {
    name: 'CONNECT_TIMEOUT_MS',
    fallback: '1000',
    modes: ALL,
    about:
      'Time for opening a connection to a gateway pod, handshake included; on a gateway pod, for the other side of it.',
    ...milliseconds(10, 60_000),
  },
  linkHeartbeatMs: {
    name: 'LINK_HEARTBEAT_MS',
    fallback: '5000',
    modes: ALL,
    about: 'A link that has given no sign of life for three of these is closed.',
    ...milliseconds(50, 60_000),
  },
  linkMaxInFlight: {
    name: 'LINK_MAX_IN_FLIGHT',
    fallback: '4096',
    modes: ALL,
    about: 'Requests in flight on one link; further ones are treated as if the pod were away.',
    ...integer(1, 1_000_000),
  },
  retryBudgetPercent: {
    name: 'RETRY_BUDGET_PERCENT',
    fallback: '20',
    modes: EDGE,
    about: 'Retries as a share of live requests, so that a pod in trouble is not finished off by them.',
    ...integer(0, 100),
  },
  retryBaseMs: {
    name: 'RETRY_BASE_MS',
    fallback: '50',
    modes: EDGE,
    about: 'The first retry waits a random time up to this, the next up to twice that, and so on.',
    ...milliseconds(1, 10_000),
  },
  breakerFailures: {
    name: 'BREAKER_FAILURES',
    fallback: '5',
    modes: EDGE,
    about: 'Failures in a row after which a pod is treated as away without being asked.',
    ...integer(1, 1_000),
  },
  breakerOpenMs: {
    name: 'BREAKER_OPEN_MS',
    fallback: '1000',
    modes: EDGE,
    about: 'How long it is treated so, before one request probes it.',
    ...milliseconds(10, 60_000),
  },
  hintMaxCount: {
    name: 'HINT_MAX_COUNT',
    fallback: '50000',
    modes: OWNER,
    about: 'Requests that a gateway pod keeps for others.',
    ...integer(0, 10_000_000),
  },
  hintMaxBytes: {
    name: 'HINT_MAX_BYTES',
    fallback: '268435456',
    modes: OWNER,
    about: 'Their bodies together.',
    ...bytes(0),
  },
  hintMinFreeBytes: {
    name: 'HINT_MIN_FREE_BYTES',
    fallback: '67108864',
    modes: OWNER,
    about: 'A gateway pod keeps nothing for others when its disk has less free space than this.',
    ...bytes(0),
  },
  hintRatePerSecond: {
    name: 'HINT_RATE_PER_SECOND',
    fallback: '300',
    modes: OWNER,
    about: 'How fast a stand-in delivers to an owner that is back.',
    ...integer(1, 100_000),
  },
  setAsideMs: {
    name: 'SET_ASIDE_MS',
    fallback: '86400000',
    modes: OWNER,
    about:
      'How long a gateway pod keeps a compressed copy of a guild that it has given to another pod, so that a volume that is lost soon after loses nothing.',
    ...milliseconds(0, 2_592_000_000),
  },
  drainTimeoutMs: {
    name: 'DRAIN_TIMEOUT_MS',
    fallback: '20000',
    modes: ALL,
    about: 'After SIGTERM, how long requests in flight may take before the process ends anyway.',
    ...milliseconds(0, 600_000),
  },
  streamDrainMs: {
    name: 'STREAM_DRAIN_MS',
    fallback: '3000',
    modes: OWNER,
    about:
      "After SIGTERM, how long a gateway pod's streams (downloads, event streams) may go on. Its guilds wait as long, so it is short; DRAIN_TIMEOUT_MS ends them in any case.",
    ...milliseconds(0, 600_000),
  },
  idleDrainMs: {
    name: 'IDLE_DRAIN_MS',
    fallback: '1000',
    modes: EDGE,
    about:
      'After SIGTERM, how long an idle connection may bring one more request, which is answered and told to go elsewhere. A request that meets a closing connection fails: many callers with kept connections need longer, and a pod that ends takes as long.',
    ...milliseconds(0, 600_000),
  },
  drainDelayMs: {
    name: 'DRAIN_DELAY_MS',
    fallback: '0',
    modes: ALL,
    about:
      'After SIGTERM, how long to keep serving as not ready, so that load balancers notice first. In Kubernetes the preStop hook does this.',
    ...milliseconds(0, 60_000),
  },
  logLevel: {
    name: 'LOG_LEVEL',
    fallback: 'info',
    modes: ALL,
    about: 'One line per request is `debug`.',
    ...oneOf<LogLevel>('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
  },
});
