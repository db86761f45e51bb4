import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Bot, isBot } from './bot/define-bot.ts';
import { type ExistingBot, readExistingBot } from './bot/existing-bot.ts';
import { explainLoadError } from './bot-load-error.ts';
import { GuildwayError } from './errors.ts';

/** A bot whose handlers run in the pod, or one that runs beside it in a process of its own. */
export interface LoadedBot {
  readonly bot: Bot;
  readonly existing: ExistingBot | null;
}

/** The names of the file that configures a bot which knows nothing of Guildway. */
const CONFIG_FILE = /(?:^|[/\\])guildway\.config\.(?:json|[cm]?[jt]s)$/;

/**
 * Loads what BOT names: a module with a bot, as a path (absolute, or relative to the working directory) or a package name; or the
 * `guildway.config` file of an existing bot.
 * @param name null loads the moderation bot that ships
 * @param command starts an existing bot; it overrides the file. Null: none
 * @throws GuildwayError BOT_INVALID when it cannot be loaded, or is neither
 */
export async function loadAnyBot(name: string | null, command: readonly string[] | null = null): Promise<LoadedBot> {
  const isConfig = name !== null && CONFIG_FILE.test(name);
  if (isConfig || command !== null) {
    const given = isConfig ? await load(name) : {};
    const existing = readExistingBot(command === null ? given : { ...(given as object), command });
    return { bot: existing.bot, existing };
  }
  const bot = await load(name);
  if (!isBot(bot)) {
    throw new GuildwayError(
      'BOT_INVALID',
      `BOT: ${JSON.stringify(name)} has no bot as its default export; it must be: export default defineBot({ … })`,
    );
  }
  return { bot, existing: null };
}

/** The same, for those that do not run the bot. @throws GuildwayError BOT_INVALID */
export const loadBot = async (name: string | null): Promise<Bot> => (await loadAnyBot(name)).bot;

/** The default export of a module, or the content of a JSON file. */
async function load(name: string | null): Promise<unknown> {
  let url: string | null = null;
  try {
    if (name === null) return (await import('../bots/modbot/index.ts')).default;
    if (name.endsWith('.json')) return JSON.parse(readFileSync(resolve(name), 'utf8'));
    url = locate(name);
    return ((await import(url)) as { default?: unknown }).default;
  } catch (cause) {
    throw new GuildwayError(
      'BOT_INVALID',
      `BOT: cannot load ${JSON.stringify(name ?? 'the moderation bot')}: ${explainLoadError(cause, url)}`,
      { cause },
    );
  }
}

/** Paths and packages are resolved from the working directory: the bot need not be part of this package. */
function locate(name: string): string {
  const isPath = /^\.{0,2}\/|^[A-Za-z]:\\|\.[cm]?[jt]s$/.test(name);
  return pathToFileURL(isPath ? resolve(name) : createRequire(resolve('package.json')).resolve(name)).href;
}
