import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Bot, isBot } from './bot/define-bot.ts';
import { GuildwayError } from './errors.ts';

/**
 * Loads the module that BOT names: a path (absolute, or relative to the working directory) or a package name.
 * @param name null loads the moderation bot that ships
 * @throws GuildwayError BOT_INVALID when it cannot be loaded or does not export a bot
 */
export async function loadBot(name: string | null): Promise<Bot> {
  let module: { default?: unknown };
  try {
    module = name === null ? await import('../bots/modbot/index.ts') : await import(locate(name));
  } catch (cause) {
    throw new GuildwayError(
      'BOT_INVALID',
      `BOT: cannot load ${JSON.stringify(name ?? 'the moderation bot')}: ${(cause as Error).message}`,
      { cause },
    );
  }
  if (!isBot(module.default)) {
    throw new GuildwayError(
      'BOT_INVALID',
      `BOT: ${JSON.stringify(name)} has no bot as its default export; it must be: export default defineBot({ … })`,
    );
  }
  return module.default;
}

/** Paths and packages are resolved from the working directory: the bot need not be part of this package. */
function locate(name: string): string {
  const isPath = /^\.{0,2}\/|^[A-Za-z]:\\|\.[cm]?[jt]s$/.test(name);
  return pathToFileURL(isPath ? resolve(name) : createRequire(resolve('package.json')).resolve(name)).href;
}
