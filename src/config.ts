import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { GuildwayError } from './errors.ts';
import { checkGatewayUrlTemplate } from './routing/gateway-url.ts';
import type { RoutingStrategy } from './routing/topology.ts';

export type ServiceMode = 'http' | 'gateway' | 'monolith';
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/**
 * One environment variable. The table below is the only place that knows names, defaults and what is allowed;
 * docs/configuration.md is generated from it.
 */
interface Variable<T> {
  readonly name: string;
  /** The raw default, as it would be written in the environment; null where there is none. */
  readonly fallback: string | null;
  readonly allowed: string;
  readonly about: string;
  /** Which modes read it. */
  readonly modes: readonly ServiceMode[];
  /** Its value must not be printed. */
  readonly secret?: true;
  /** Turns a value into its typed form, or throws an error whose message says why not. */
  readonly parse: (raw: string) => T;
}

const ALL: readonly ServiceMode[] = ['http', 'gateway', 'monolith'];
const EDGE: readonly ServiceMode[] = ['http', 'monolith'];
const OWNER: readonly ServiceMode[] = ['gateway', 'monolith'];
/** A monolith is pod 0 of 1. */
const PODS: readonly ServiceMode[] = ['gateway'];

class NotAllowed extends Error {}

function integer(min: number, max: number): { allowed: string; parse: (raw: string) => number } {
  return {
    allowed: max === Number.MAX_SAFE_INTEGER ? `an integer of ${min} or more` : `an integer from ${min} to ${max}`,
    parse(raw) {
      // Number() alone would take '', ' 3', '1e1' and '0x3'.
      const value = /^(0|[1-9][0-9]*)$/.test(raw) ? Number(raw) : Number.NaN;
      if (!(value >= min && value <= max)) throw new NotAllowed();
      return value;
    },
  };
}

function oneOf<const T extends string>(...values: readonly T[]): { allowed: string; parse: (raw: string) => T } {
  return {
    allowed: values.map((value) => `\`${value}\``).join(', '),
    parse(raw) {
      const found = values.find((value) => value === raw);
      if (found === undefined) throw new NotAllowed();
      return found;
    },
  };
}

const text = (allowed: string, test: (raw: string) => boolean = () => true) => ({
  allowed,
  parse(raw: string): string {
    if (raw === '' || !test(raw)) throw new NotAllowed();
    return raw;
  },
});

const httpUrl = text('an http:// or https:// URL', (raw) => /^https?:$/.test(URL.parse(raw)?.protocol ?? ''));
const milliseconds = (min: number, max: number) => {
  const base = integer(min, max);
  return { ...base, allowed: `${base.allowed} (milliseconds)` };
};
const bytes = (min: number, max = Number.MAX_SAFE_INTEGER) => {
  const base = integer(min, max);
  return { ...base, allowed: `${base.allowed} (bytes)` };
};
const snowflake = text('a snowflake', (raw) => /^[1-9][0-9]{0,19}$/.test(raw));

const PRIVATE_NETWORKS: readonly string[] = Object.freeze([
  ...['127.0.0.0/8', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16', '100.64.0.0/10'],
  ...['::1/128', 'fc00::/7', 'fe80::/10'],
]);

/** So many proxies, or those with these addresses and networks. */
function trustedProxies(raw: string): number | readonly string[] {
  if (raw === 'none') return [];
  if (/^(?:[1-9]|10)$/.test(raw)) return Number(raw);
  const networks = raw.split(',').map((network) => network.trim());
  for (const network of networks) {
    const [address = '', prefix = '0', ...rest] = network.split('/');
    const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
    const fits = /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits && rest.length === 0;
    if (network !== 'private' && !fits) throw new NotAllowed();
  }
  return networks.flatMap((network) => (network === 'private' ? PRIVATE_NETWORKS : network));
}

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
    ...text('16 characters or more', (raw) => raw.length >= 16),
  },
  discordToken: {
    name: 'DISCORD_TOKEN',
    fallback: null,
    modes: OWNER,
    secret: true,
    about: "The bot's token. Without it a gateway pod answers requests but has no Discord connection.",
    ...text('a bot token'),
  },
  discordPublicKey: {
    name: 'DISCORD_PUBLIC_KEY',
    fallback: null,
    modes: EDGE,
    about:
      "The application's public key, which verifies what Discord sends. Without it every interaction is answered with 401.",
    ...text('64 hexadecimal digits', (raw) => /^[0-9a-fA-F]{64}$/.test(raw)),
  },
  discordAppId: {
    name: 'DISCORD_APP_ID',
    fallback: null,
    modes: OWNER,
    about: "The application's id, for registering commands, which pod 0 does; without it they are not registered.",
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
      "How often one bucket of shards may identify; pod 0 keeps to it for all pods. Discord's is 5000, and what is sent so far apart by busy pods may arrive closer; less is for simulators.",
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

type Values = { readonly [K in keyof typeof VARIABLES]: ReturnType<(typeof VARIABLES)[K]['parse']> };
type WithoutDefault = {
  [K in keyof typeof VARIABLES]: (typeof VARIABLES)[K]['fallback'] extends string ? never : K;
}[keyof typeof VARIABLES];

/** The validated, frozen configuration of one process. Times are milliseconds, sizes are bytes, as the names say. */
export type Config = Omit<Values, WithoutDefault> & { readonly [K in WithoutDefault]: Values[K] | null } & {
  /** The pod's name for logs and metrics: POD_NAME or the host name. */
  readonly name: string;
  /** The ordinal of this gateway pod; 0 in a monolith, null in an HTTP pod. */
  readonly ordinal: number | null;
};

type Environment = Readonly<Record<string, string | undefined>>;

function read<K extends keyof typeof VARIABLES>(env: Environment, key: K): Values[K] | null {
  const variable: Variable<unknown> = VARIABLES[key];
  const raw = env[variable.name] ?? variable.fallback;
  if (raw === null) return null;
  try {
    return variable.parse(raw) as Values[K];
  } catch (error) {
    const shown = variable.secret ? 'its value' : JSON.stringify(raw);
    const why = error instanceof GuildwayError ? ` (${error.message})` : '';
    throw new GuildwayError(
      'CONFIG_INVALID',
      `${variable.name}: ${shown} is not allowed${why}; it must be ${variable.allowed}`,
      {
        facts: { variable: variable.name },
      },
    );
  }
}

/**
 * Reads and checks the whole configuration.
 * @param env usually `process.env`
 * @throws GuildwayError CONFIG_INVALID, naming the variable, its value and what is allowed
 */
export function loadConfig(env: Environment): Config {
  const values = Object.fromEntries(
    (Object.keys(VARIABLES) as (keyof typeof VARIABLES)[]).map((key) => [key, read(env, key)]),
  ) as Omit<Config, 'name' | 'ordinal'>;
  const name = values.podName ?? hostname();
  const config: Config = {
    ...values,
    name,
    numGatewayPods: values.serviceMode === 'monolith' ? 1 : values.numGatewayPods,
    ordinal: readOrdinal(values, name),
  };
  checkTogether(config);
  return Object.freeze(config);
}

function readOrdinal(values: Omit<Config, 'name' | 'ordinal'>, name: string): number | null {
  if (values.serviceMode === 'http') return null;
  if (values.serviceMode === 'monolith') return 0;
  if (values.podOrdinal !== null) return values.podOrdinal;
  const match = /(?:^|-)(0|[1-9][0-9]{0,3})$/.exec(name);
  if (match === null) {
    throw new GuildwayError(
      'CONFIG_INVALID',
      `POD_NAME: ${JSON.stringify(name)} does not end in a pod's number; it must look like gateway-0, or set POD_ORDINAL`,
    );
  }
  return Number(match[1]);
}

function checkTogether(config: Config): void {
  const fail = (message: string): never => {
    throw new GuildwayError('CONFIG_INVALID', message);
  };
  if (config.ordinal !== null && config.ordinal >= config.numGatewayPods) {
    fail(
      `POD_ORDINAL: this is pod ${config.ordinal}, but NUM_GATEWAY_PODS is ${config.numGatewayPods}: the pods are 0 to ${config.numGatewayPods - 1}`,
    );
  }
  if (config.routing === 'discord-shard') {
    if (config.discordShards === null)
      fail('DISCORD_SHARDS: not set; ROUTING=discord-shard needs it, an integer of NUM_GATEWAY_PODS or more');
    else if (config.discordShards < config.numGatewayPods) {
      fail(
        `DISCORD_SHARDS: ${config.discordShards} is not allowed; it must be NUM_GATEWAY_PODS (${config.numGatewayPods}) or more`,
      );
    }
  }
  if (config.serviceMode === 'gateway' && config.linkSecret === null) {
    fail('LINK_SECRET: not set; a gateway pod needs it to know its HTTP pods. Make one with: openssl rand -hex 32');
  }
  if (config.standInReserveMs >= config.interactionBudgetMs) {
    fail(
      `STAND_IN_RESERVE_MS: ${config.standInReserveMs} is not allowed; it must be less than INTERACTION_BUDGET_MS (${config.interactionBudgetMs})`,
    );
  }
}

/** The few values that `guildway/routing` needs, read without demanding the rest of the configuration. */
export function loadRoutingConfig(
  env: Environment,
): Pick<Config, 'numGatewayPods' | 'routing' | 'discordShards' | 'gatewayUrlTemplate'> {
  return {
    numGatewayPods: read(env, 'numGatewayPods') as number,
    routing: read(env, 'routing') as RoutingStrategy,
    discordShards: read(env, 'discordShards'),
    gatewayUrlTemplate: read(env, 'gatewayUrlTemplate') as string,
  };
}
