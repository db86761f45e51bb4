import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { GuildwayError } from '../../errors.ts';
import type { GuildFlow, Rehearsal } from '../../gateway/store/moving/rehearsal.ts';
import { loadBot } from '../../load-bot.ts';
import type { RoutingStrategy, Topology } from '../../routing/topology.ts';
import type { ExitCode } from '../exit-code.ts';
import { integerOption, routingOption } from '../option-values.ts';
import { readCluster } from '../pods.ts';
import { count, style } from '../style.ts';
import type * as Databases from './databases.ts';
import { inventoriesByKubectl, type KubectlOptions } from './kubernetes.ts';
import { type MovePlan, planMove, targetTopology } from './move-plan.ts';
import { renderPlan } from './render-plan.ts';

interface Options extends KubectlOptions {
  readonly pods: number;
  readonly shards?: number;
  readonly routing?: RoutingStrategy;
  readonly database: readonly string[];
  readonly directory: string;
  readonly bot?: string;
  readonly kubernetes: boolean;
  readonly verify: boolean;
  readonly json: boolean;
}

/** `guildway plan`. Exits with 1 when something holds the move, or the rehearsal finds a difference. */
export function planCommand(exitWith: (code: ExitCode) => void): Command {
  return new Command('plan')
    .description('show what a change of the number of gateway pods would move; changes nothing')
    .requiredOption('--pods <n>', 'gateway pods after the change', integerOption('--pods', 1, 10_000))
    .option('--shards <n>', 'DISCORD_SHARDS after the change', integerOption('--shards', 1, 100_000))
    .option('--routing <strategy>', 'ROUTING after the change: md5 or discord-shard', routingOption)
    .option(
      '--database <database>',
      'gateway-0=path for each pod, or a directory with gateway-0/guildway.sqlite3 and so on',
      (value: string, all: readonly string[]) => [...all, value],
      [],
    )
    .option('--directory <path>', 'directory of the local cluster', '.guildway')
    .option('--kubernetes', 'ask the pods of a cluster through kubectl', false)
    .option('-n, --namespace <name>', 'with --kubernetes', 'guildway')
    .option('--context <name>', 'with --kubernetes: the context of kubectl')
    .option('--bot <module>', 'the bot, which declares whose the rows are (default: BOT, else the moderation bot)')
    .option('--verify', 'rehearse the move on copies of the databases, and compare every row', false)
    .option('--json', 'print JSON', false)
    .addHelpText(
      'after',
      '\nThe databases are only read; pods may use them meanwhile. docs/changing-the-number-of-pods.md has examples.',
    )
    .action(async (options: Options) => {
      const { plan, rehearsal } = options.kubernetes ? await planFromCluster(options) : await planFromFiles(options);
      const text = options.json
        ? JSON.stringify(rehearsal === null ? plan : { ...plan, rehearsal })
        : [renderPlan(plan), ...(rehearsal === null ? [] : ['', ...renderRehearsal(rehearsal)])].join('\n');
      process.stdout.write(`${text}\n`);
      const isClean = rehearsal === null || (rehearsal.differences.length === 0 && rehearsal.refused.length === 0);
      exitWith(plan.obstacles.length === 0 && isClean ? 0 : 1);
    });
}

interface Planned {
  readonly plan: MovePlan;
  readonly rehearsal: Rehearsal | null;
}

async function planFromCluster(options: Options): Promise<Planned> {
  if (options.verify) {
    throw new GuildwayError(
      'CONFIG_INVALID',
      '--verify needs the database files, but --kubernetes reads them in their pods: restore backups of all pods to one machine and pass them with --database',
    );
  }
  const { pods, from } = inventoriesByKubectl(options);
  const plan = planMove({ pods, from, to: targetTopology(from, options), collisions: [] });
  const note = 'keys that rows of two pods have in common are found with database files only: see --database';
  return { plan: { ...plan, notes: [...plan.notes, note] }, rehearsal: null };
}

async function planFromFiles(options: Options): Promise<Planned> {
  // Not above: other commands need no SQLite.
  const { collisionsBetween, findDatabases, openDatabases, presentTopology } = await import('./databases.ts');
  const cluster = await readCluster(options.directory);
  const files = findDatabases(sourcesOf(options));
  const bot = await loadBot(options.bot ?? cluster?.bot ?? process.env.BOT ?? null);
  const databases = openDatabases(files, bot);
  try {
    const from = presentTopology(databases);
    const to = targetTopology(from, options);
    const collisions = collisionsBetween(databases, to);
    const plan = planMove({ pods: databases, from, to, collisions });
    if (!options.verify || plan.obstacles.length > 0) return { plan, rehearsal: null };
    return { plan, rehearsal: await rehearsalOf(databases, files, to, bot) };
  } finally {
    for (const database of databases) database[Symbol.dispose]();
  }
}

function sourcesOf({ database, directory }: Options): readonly string[] {
  if (database.length > 0) return database;
  if (existsSync(directory)) return [directory];
  const own = process.env.DATABASE_PATH;
  if (own !== undefined) return [own];
  throw new GuildwayError(
    'CONFIG_INVALID',
    `there is no local cluster in ${directory}: name the databases, as --database gateway-0=path, or use --kubernetes`,
  );
}

async function rehearsalOf(
  databases: readonly Databases.PodDatabase[],
  files: readonly Databases.DatabaseFile[],
  topology: Topology,
  bot: Parameters<typeof Databases.openDatabases>[1],
): Promise<Rehearsal> {
  const [{ rehearse }, { pino }] = await Promise.all([
    import('../../gateway/store/moving/rehearsal.ts'),
    import('pino'),
  ]);
  const onProgress = (guilds: number): void => {
    if (process.stderr.isTTY) process.stderr.write(`\rrehearsed ${count(guilds)} guilds\x1b[K`);
  };
  const rehearsal = rehearse(flowsOf(databases, topology), {
    databases: new Map(files.map(({ pod, path }) => [pod, path])),
    ...{ topology, bot, onProgress, log: pino({ level: 'silent' }) },
  });
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  return rehearsal;
}

function flowsOf(databases: readonly Databases.PodDatabase[], topology: Topology): GuildFlow[] {
  return databases.flatMap(({ pod, inventory }) => {
    const byOwner = Map.groupBy(inventory.guilds, ([guildId]) => topology.ownerOf(guildId));
    byOwner.delete(pod);
    return [...byOwner].map(([to, guilds]) => ({
      ...{ from: pod, to },
      guilds: guilds.map(([guildId, , bytes]) => ({ guildId, bytes })),
    }));
  });
}

function renderRehearsal({ guilds, rows, renumbered, differences, refused }: Rehearsal): string[] {
  const verdict =
    differences.length === 0 ? 'every row is the same at its new pod' : `${differences.length} rows differ`;
  return [
    `${style('bold', 'Rehearsal')}  ${count(guilds)} guilds with ${count(rows)} rows moved between copies: ${verdict}${renumbered > 0 ? `; ${count(renumbered)} rows got new keys` : ''}.`,
    ...differences.map(({ table, key, kind }) => `  - ${table}: ${key}: ${kind}`),
    ...refused.map(({ from, to, reason }) => `  - gateway-${from} to gateway-${to}: ${reason}`),
  ];
}
