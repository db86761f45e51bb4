import { hostname } from 'node:os';
import { GuildwayError } from '../errors.ts';
import type { RoutingStrategy } from '../routing/topology.ts';
import { type ServiceMode, VARIABLES, type Variable } from './variables.ts';

const KEYS = Object.keys(VARIABLES) as Key[];

type Table = typeof VARIABLES;
type Key = keyof Table;
type Values = { readonly [K in Key]: ReturnType<Table[K]['parse']> };
type WithoutDefault = { [K in Key]: Table[K]['fallback'] extends string ? never : K }[Key];
/** The variables that a mode reads. */
type KeyOf<Mode extends ServiceMode> = {
  [K in Key]: Mode extends Table[K]['modes'][number] ? K : never;
}[Key];

/** The validated, frozen configuration of one process. Times are milliseconds, sizes are bytes, as the names say. */
export type Config = Omit<Values, WithoutDefault> & { readonly [K in WithoutDefault]: Values[K] | null } & {
  /** The pod's name for logs and metrics: POD_NAME or the host name. */
  readonly name: string;
  /** The ordinal of this gateway pod; 0 in a monolith, null in an HTTP pod. */
  readonly ordinal: number | null;
};

/** What the HTTP service reads. */
export type HttpConfig = Pick<Config, KeyOf<'http'> | 'name'>;

/** What the gateway service reads. A gateway pod has an ordinal and a secret. */
export type GatewayConfig = Omit<Pick<Config, KeyOf<'gateway'> | 'name'>, 'linkSecret'> & {
  readonly ordinal: number;
  readonly linkSecret: string;
};

export type Environment = Readonly<Record<string, string | undefined>>;

function read<K extends Key>(env: Environment, key: K): Values[K] | null {
  const variable: Variable<unknown> = VARIABLES[key];
  const raw = env[variable.name] ?? variable.fallback;
  if (raw === null) return null;
  const refuse = (why: string | null): GuildwayError => {
    const shown = variable.secret ? 'its value' : JSON.stringify(raw);
    const reason = why === null ? '' : ` (${why})`;
    return new GuildwayError(
      'CONFIG_INVALID',
      `${variable.name}: ${shown} is not allowed${reason}; it must be ${variable.allowed}`,
      { facts: { variable: variable.name } },
    );
  };
  const invisible = invisibleIn(raw);
  if (invisible !== null) throw refuse(invisible);
  try {
    return variable.parse(raw) as Values[K];
  } catch (error) {
    throw refuse(error instanceof GuildwayError ? error.message : null);
  }
}

/**
 * Invisible characters that no value may contain. A secret from a file or from `echo` can end with a line break, and then
 * every signature is wrong.
 */
function invisibleIn(raw: string): string | null {
  if (/[\r\n]$/.test(raw)) return 'it ends with a line break: remove it, for example with printf in place of echo';
  if (raw.trim() !== raw) return 'it begins or ends with white space';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for
  return /[\x00-\x1f\x7f]/.test(raw) ? 'it has a control character' : null;
}

/**
 * Reads and checks the whole configuration.
 * @param env usually `process.env`
 * @throws GuildwayError CONFIG_INVALID, naming the variable, its value and what is allowed
 */
export function loadConfig(env: Environment): Config {
  const values = Object.fromEntries(KEYS.map((key) => [key, read(env, key)])) as Omit<Config, 'name' | 'ordinal'>;
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
    fail('LINK_SECRET: not set; a gateway pod needs it to recognize HTTP pods. Create one with: openssl rand -hex 32');
  }
  if (config.standInReserveMs >= config.interactionBudgetMs) {
    fail(
      `STAND_IN_RESERVE_MS: ${config.standInReserveMs} is not allowed; it must be less than INTERACTION_BUDGET_MS (${config.interactionBudgetMs})`,
    );
  }
}

/** The slice of the HTTP service. */
export function httpConfig(config: Config): HttpConfig {
  return Object.freeze({ ...slice(config, 'http'), name: config.name });
}

/** The slice of the gateway service. @throws TypeError for the configuration of an HTTP pod */
export function gatewayConfig(config: Config): GatewayConfig {
  const { name, ordinal, linkSecret } = config;
  if (ordinal === null || linkSecret === null) throw new TypeError('not the configuration of a gateway pod');
  return Object.freeze({ ...slice(config, 'gateway'), name, ordinal, linkSecret });
}

function slice<Mode extends ServiceMode>(config: Config, mode: Mode): Pick<Config, KeyOf<Mode>> {
  const keys = KEYS.filter((key) => (VARIABLES[key].modes as readonly ServiceMode[]).includes(mode));
  return Object.fromEntries(keys.map((key) => [key, config[key]])) as Pick<Config, KeyOf<Mode>>;
}

/** The few values that `guildway/routing` needs. The rest of the configuration may be missing. */
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
