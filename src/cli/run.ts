import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { GuildwayError } from '../errors.ts';

/** In the order in which they are looked for. */
const CONFIG_FILES = ['ts', 'mts', 'mjs', 'js', 'json'].map((extension) => `guildway.config.${extension}`);

interface Options {
  readonly config?: string;
}

/** `guildway run -- node index.js`: one pod, with an existing bot beside it. */
export function runCommand(): Command {
  return new Command('run')
    .description('run an existing bot, unchanged, beside one pod: guildway run -- node index.js')
    .argument('[command...]', "the bot's command (default: `command` of guildway.config)")
    .option('--config <path>', 'the configuration of the bot (default: guildway.config.ts or .json, if there is one)')
    .addHelpText(
      'after',
      '\nThe environment configures the pod, as for serve: DISCORD_TOKEN, DATABASE_PATH, … SERVICE_MODE is monolith (default) or gateway.',
    )
    .action(async (command: readonly string[], options: Options) => {
      Object.assign(process.env, runEnvironment(command, options, process.env, existsSync));
      await import('../main.ts');
    });
}

/**
 * The variables that make a pod run an existing bot.
 * @param exists whether a file does
 * @throws GuildwayError CONFIG_INVALID
 */
export function runEnvironment(
  command: readonly string[],
  { config }: Options,
  env: Readonly<Record<string, string | undefined>>,
  exists: (path: string) => boolean,
): Readonly<Record<string, string>> {
  const fail = (why: string): never => {
    throw new GuildwayError('CONFIG_INVALID', why);
  };
  if (env.SERVICE_MODE === 'http') {
    fail('SERVICE_MODE: "http" is not allowed here; an HTTP pod runs no bot: start it with guildway serve');
  }
  if (config !== undefined && !exists(config)) fail(`--config ${config}: there is no such file`);
  const file = config ?? CONFIG_FILES.find(exists);
  if (file === undefined && command.length === 0) {
    fail(
      'no command: write it after two dashes, guildway run -- node index.js, or as `command` into a guildway.config.json',
    );
  }
  return {
    ...(file === undefined ? {} : { BOT: file }),
    ...(command.length === 0 ? {} : { BOT_COMMAND: JSON.stringify(command) }),
  };
}
