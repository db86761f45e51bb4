import { GuildwayError } from '../errors.ts';
import type { RouteRule } from '../routing/route-table.ts';
import { type Bot, defineBot } from './define-bot.ts';
import { declaredTables, type GuildTableDeclaration } from './tables.ts';

/** A bot that knows nothing of Guildway: what `guildway.config.ts` exports by default, or `guildway.config.json` holds. */
export interface ExistingBotConfig {
  /** For logs. Default `bot`. */
  readonly name?: string;
  /** The program and its arguments: `['node', 'index.js']`. Default: what `guildway run` is given. */
  readonly command?: readonly string[];
  /** Further environment variables of the bot: `{ TOKEN: process.env.DISCORD_TOKEN }`. */
  readonly env?: Readonly<Record<string, string>>;
  readonly web?: {
    /** The port where the bot serves its pages. */
    readonly port: number;
    /** The variable from which the bot reads that port, so that pods on one machine can have different ones: `PORT`. */
    readonly portVariable?: string;
    /**
     * Where the guild id is in a path: `[{ path: '/servers/:guildId/*', guild: { from: 'path' } }]`. Other paths go to pod 0, or
     * with `guild: { from: 'any' }` to any pod.
     */
    readonly routes?: readonly RouteRule[];
  };
  /** The bot's SQLite files, relative to its working directory: `[{ path: 'data/bot.sqlite', tables: ['warnings'] }]`. */
  readonly databases?: readonly {
    readonly path: string;
    /** Tables with rows of guilds. */
    readonly tables?: readonly GuildTableDeclaration[];
    /** Tables that belong to no guild. */
    readonly global?: readonly string[];
  }[];
  /**
   * An interaction that the bot had when it ended: `at-most-once` (default) tells the user that its outcome is unknown;
   * `at-least-once` hands it over again when it is delivered again.
   */
  readonly delivery?: 'at-most-once' | 'at-least-once';
  /** How long the bot may take until it is logged in and has its guilds, in milliseconds. Default 120000. */
  readonly readyTimeoutMs?: number;
}

/** A checked configuration with its defaults. */
export interface ExistingBot extends Omit<Required<ExistingBotConfig>, 'command' | 'web'> {
  readonly command: readonly string[] | null;
  readonly web: NonNullable<ExistingBotConfig['web']> | null;
  /** The bot as the HTTP pods and the gateway pods see it: its name and its routes. */
  readonly bot: Bot;
}

type Fields = Readonly<Record<string, unknown>>;

/** Makes the type of a `guildway.config.ts` known to editors: `export default defineConfig({ … })`. */
export const defineConfig = (config: ExistingBotConfig): ExistingBotConfig => config;

/**
 * Checks a configuration, and fills in the defaults.
 * @throws GuildwayError BOT_INVALID, naming the setting, its value and what is allowed
 */
export function readExistingBot(given: unknown): ExistingBot {
  const config = fields(given, 'the configuration', [
    ...['name', 'command', 'env', 'web', 'databases', 'delivery', 'readyTimeoutMs'],
  ]) as ExistingBotConfig;
  const { name = 'bot', command, env = {}, web, databases = [], delivery = 'at-most-once', readyTimeoutMs } = config;
  if (typeof name !== 'string' || name === '') fail('name', name, 'a text');
  if (command !== undefined && !isTexts(command))
    fail('command', command, "a list of texts, such as ['node', 'index.js']");
  if (!isTexts(Object.values(fields(env, 'env')), 0)) fail('env', env, 'variables and their values, all of them text');
  if (delivery !== 'at-most-once' && delivery !== 'at-least-once') {
    fail('delivery', delivery, "'at-most-once' or 'at-least-once'");
  }
  const readyMs = readyTimeoutMs ?? 120_000;
  if (!Number.isInteger(readyMs) || readyMs < 1_000)
    fail('readyTimeoutMs', readyTimeoutMs, '1000 or more (milliseconds)');
  if (!Array.isArray(databases)) fail('databases', databases, "a list, such as [{ path: 'bot.sqlite', tables: [] }]");
  for (const [index, database] of databases.entries()) checkDatabase(database, `databases[${index}]`);
  if (web !== undefined) checkWeb(web);
  // After the bot's own routes, a path without a guild is pod 0's: the bot may keep sessions in memory.
  const routes: RouteRule[] = [...(web?.routes ?? []), { path: '/*', guild: { from: 'none' } }];
  return Object.freeze({
    ...{ name, env, databases, delivery },
    command: command ?? null,
    web: web ?? null,
    readyTimeoutMs: readyMs,
    bot: defineBot({ name, routes: routes.map((route) => ({ stream: true, ...route })) }),
  });
}

function checkDatabase(database: unknown, where: string): void {
  const { path, ...declared } = fields(database, where, ['path', 'tables', 'global']);
  if (typeof path !== 'string' || path === '') fail(`${where}.path`, path, 'the path of a SQLite file');
  declaredTables(declared as Parameters<typeof declaredTables>[0]);
}

function checkWeb(web: unknown): void {
  const { port, portVariable, routes = [] } = fields(web, 'web', ['port', 'portVariable', 'routes']);
  if (!Number.isInteger(port) || (port as number) < 1 || (port as number) > 65_535) {
    fail('web.port', port, 'a port from 1 to 65535');
  }
  if (portVariable !== undefined && !/^[A-Za-z_]\w*$/.test(String(portVariable))) {
    fail('web.portVariable', portVariable, 'the name of a variable');
  }
  if (!Array.isArray(routes)) fail('web.routes', routes, 'a list of routes');
}

/** An object with no other fields than these. @param names null: any */
function fields(value: unknown, where: string, names: readonly string[] | null = null): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail(where, value, 'an object');
  const surplus = names === null ? undefined : Object.keys(value).find((name) => !names.includes(name));
  if (surplus !== undefined)
    fail(`${where}.${surplus}`, (value as Fields)[surplus], `left out: ${where} has ${names?.join(', ')}`);
  return value as Fields;
}

const isTexts = (value: unknown, atLeast = 1): boolean =>
  Array.isArray(value) && value.length >= atLeast && value.every((text) => typeof text === 'string');

function fail(setting: string, value: unknown, allowed: string): never {
  throw new GuildwayError(
    'BOT_INVALID',
    `guildway.config: ${setting} is ${JSON.stringify(value)}; it must be ${allowed}`,
  );
}
