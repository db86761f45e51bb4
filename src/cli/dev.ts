import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import type { ExitCode } from './exit-code.ts';

/** `.ts` in the repository, `.js` in the published package. */
const EXTENSION = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
const CLUSTER = fileURLToPath(new URL(`../../testkit/cluster/cli${EXTENSION}`, import.meta.url));

/** `guildway dev -- node index.js`: the local cluster, with an existing bot beside each gateway pod. @param args of the command line */
export function devCommand(args: readonly string[], exitWith: (code: ExitCode) => void): Command {
  return new Command('dev')
    .description(
      'run an existing bot, unchanged, on a local cluster with a Discord simulator: guildway dev -- node index.js',
    )
    .argument('[arguments...]', "options of the local cluster (--help lists them), then -- and the bot's command")
    .helpOption(false)
    .allowUnknownOption()
    .action(async () => {
      // As they were given: the two dashes are the cluster's.
      const child = spawn(process.execPath, [CLUSTER, ...args.slice(1)], { stdio: 'inherit' });
      // Ctrl-C reaches the cluster, too, which ends in order.
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
      const [code] = (await once(child, 'close')) as [number | null];
      exitWith(code === 0 ? 0 : 1);
    });
}
