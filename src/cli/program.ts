import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { errorCode } from '../errors.ts';
import { devCommand } from './dev.ts';
import type { ExitCode } from './exit-code.ts';
import { initCommand, loadEnvFile } from './init.ts';
import { inventoryCommand } from './plan/inventory.ts';
import { planCommand } from './plan/plan.ts';
import { reshardCommand } from './reshard/reshard.ts';
import { runCommand } from './run.ts';
import { statusCommand } from './status.ts';

/**
 * Runs one command line. Without a command it prints the help and starts nothing.
 * @param args without node and the script
 */
export async function run(args: readonly string[]): Promise<ExitCode> {
  let exitCode: ExitCode = 0;
  const program = new Command('guildway')
    .description('Runs SQLite-backed Discord bots on many pods.')
    .version(version(), '-v, --version', 'print the version')
    .helpOption('-h, --help', 'print the help of a command')
    .helpCommand('help [command]', 'print the help of a command')
    .showSuggestionAfterError()
    .exitOverride();
  program
    .command('serve')
    .description('run one pod in the mode that SERVICE_MODE names: monolith (default), http or gateway')
    .option('--bot <module>', "the bot's module, in place of BOT")
    .option('--env <path>', 'a file of variables; those of the environment come first')
    .addHelpText('after', '\nThe environment configures it; docs/configuration.md lists the variables.')
    .action(async ({ bot, env }: { bot?: string; env?: string }) => {
      if (env !== undefined) loadEnvFile(env);
      if (bot !== undefined) process.env.BOT = bot;
      await import('../main.ts');
    });
  program.addCommand(initCommand(args, (code) => (exitCode = code)));
  program.addCommand(runCommand());
  program.addCommand(devCommand(args, (code) => (exitCode = code)));
  program.addCommand(statusCommand((code) => (exitCode = code)));
  program.addCommand(planCommand((code) => (exitCode = code)));
  program.addCommand(reshardCommand());
  program.addCommand(inventoryCommand());
  for (const command of program.commands) command.exitOverride();
  if (args.length === 0) {
    program.outputHelp();
    return 0;
  }
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    // Commander has printed its message, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (errorCode(error) === undefined) throw error;
    process.stderr.write(`guildway: ${(error as Error).message}\n`);
    return 1;
  }
}

function version(): string {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return manifest.version;
}
