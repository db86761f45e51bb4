import { Command } from 'commander';
import { GuildwayError } from '../errors.ts';
import { runInit } from '../init/command.ts';
import type { ExitCode } from './exit-code.ts';

/** `guildway init`: what `npm create guildway` does. @param args of the command line */
export function initCommand(args: readonly string[], exitWith: (code: ExitCode) => void): Command {
  return new Command('init')
    .description('make a new bot in a new folder, or configure one that exists (--help lists the options)')
    .argument('[arguments...]')
    .helpOption(false)
    .allowUnknownOption()
    .action(async () => exitWith(await runInit(args.slice(1))));
}

/** @throws GuildwayError CONFIG_INVALID when the file cannot be read */
export function loadEnvFile(path: string): void {
  try {
    process.loadEnvFile(path);
  } catch (cause) {
    const remedy = 'copy .env.example to it and fill it in, or set the variables in the environment';
    throw new GuildwayError('CONFIG_INVALID', `--env ${path}: ${(cause as Error).message}: ${remedy}`, { cause });
  }
}
