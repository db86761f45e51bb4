import { Command } from 'commander';
import { GuildwayError } from '../../errors.ts';
import { kubectl } from '../kubectl.ts';
import { integerOption } from '../option-values.ts';
import { readCluster } from '../pods.ts';
import { type MoveProgress, ProgressBar } from '../progress.ts';
import { reshardCluster } from './kubernetes.ts';
import { reshardLocal } from './local.ts';
import { Overlay } from './overlay.ts';

interface Options {
  readonly pods: number;
  readonly directory: string;
  readonly overlay?: string;
  readonly context?: string;
  readonly dryRun: boolean;
}

/** `guildway reshard`: changes the number of gateway pods, and waits until every guild is at its owner. */
export function reshardCommand(): Command {
  return new Command('reshard')
    .description('change the number of gateway pods, and wait until every guild has moved')
    .requiredOption('--pods <n>', 'gateway pods after the change', integerOption('--pods', 1, 10_000))
    .option('--directory <path>', 'directory of the local cluster', '.guildway')
    .option(
      '--overlay <folder>',
      'a Kubernetes cluster: the folder of its kustomize overlay, which is changed and applied',
    )
    .option('--context <name>', 'with --overlay: the context of kubectl')
    .option('--dry-run', 'show the steps; change nothing', false)
    .addHelpText(
      'after',
      '\nRun it again after it was stopped: it goes on where it was. `guildway plan` shows what would move.\ndocs/changing-the-number-of-pods.md has the steps.',
    )
    .action(async ({ pods, directory, overlay, context, dryRun: isDryRun }: Options) => {
      const output = new Output();
      const common = {
        ...{ pods, isDryRun },
        say: (line: string) => output.say(line),
        onProgress: (progress: MoveProgress) => output.show(progress),
      };
      if (overlay !== undefined) {
        const folder = new Overlay(overlay);
        const cluster = { namespace: folder.namespace, ...(context === undefined ? {} : { context }) };
        await reshardCluster({ ...common, overlay: folder, run: (args) => kubectl(args, cluster) });
        return;
      }
      const cluster = await readCluster(directory);
      if (cluster === null) {
        throw new GuildwayError(
          'CONFIG_INVALID',
          `no local cluster runs in ${directory}: start it with npm start, or name the overlay of a Kubernetes cluster with --overlay`,
        );
      }
      await reshardLocal({ ...common, cluster });
    });
}

/** Lines of text; on a terminal, each look at the progress replaces the one before. */
class Output {
  readonly #bar = new ProgressBar();
  #shown = 0;
  #last = '';

  say(line: string): void {
    this.#shown = 0;
    process.stdout.write(`${line}\n`);
  }

  show(progress: MoveProgress): void {
    const lines = [...this.#bar.render(progress).slice(1), ...progress.troubles.map((trouble) => `  ${trouble}`)];
    const text = lines.join('\n');
    if (text === this.#last && !process.stdout.isTTY) return;
    this.#last = text;
    if (process.stdout.isTTY && this.#shown > 0) process.stdout.write(`\x1b[${this.#shown}A\x1b[J`);
    process.stdout.write(`${text}\n`);
    this.#shown = lines.length;
  }
}
