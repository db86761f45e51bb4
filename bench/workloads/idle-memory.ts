/**
 * Workload (m): the memory of an idle bot. The monolith as it is published, and the same bot on discord.js, each in one process that has
 * a session at the simulator and no work.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findFreePorts } from '../../testkit/cluster/ports.ts';
import { type Cores, type RunningProcess, residentMemory } from '../harness/processes.ts';
import { Stage } from '../harness/rounds.ts';
import { ratio, spread } from '../harness/statistics.ts';
import type { Row, Table } from '../harness/summary.ts';
import { targetOf } from '../harness/targets.ts';
import { childMessage, podReady } from './children.ts';
import type { CommandSource } from './command-source.ts';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

export async function runIdleMemory(options: {
  rounds: number;
  /** How long a bot is left alone before its memory is read. */
  idleMs: number;
  cores: Cores;
  /** Compiles the package first. Otherwise the sources run, whose compiler takes memory, too. */
  build: boolean;
  /** Whether the packages of the peer are there. */
  peers: boolean;
  progress: (line: string) => void;
}): Promise<Table> {
  const { rounds, idleMs, peers, progress } = options;
  await using stage = new Stage(options.cores, 'md5');
  const source = stage.start({
    command: process.execPath,
    args: [path('./command-source.ts'), '10'],
    core: stage.cores.rest,
    channel: true,
  });
  const discord = await childMessage<CommandSource>(source);
  const published = options.build ? buildPackage(stage) : SOURCES;
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const bots = [
      { sizes: ours, bot: await startMonolith(stage, discord, published) },
      ...(peers ? [{ sizes: theirs, bot: await startDiscordJs(stage, discord) }] : []),
    ];
    await new Promise((resolve) => setTimeout(resolve, idleMs));
    for (const { sizes, bot } of bots) {
      sizes.push(residentMemory(bot.pid) / 1e6);
      await bot.stop();
    }
    progress(`  round ${round + 1}/${rounds}  MB: ${bots.map(({ sizes }) => sizes.at(-1)?.toFixed(1)).join(', ')}`);
  }
  const row = (id: string, title: string, sizes: readonly number[]): Row => ({
    ...{ id, title, role: sizes === ours ? 'ours' : 'peer', unit: 'MB' },
    cost: spread(sizes),
    ours: sizes === ours ? null : ratio(ours, sizes),
    target: targetOf('m', id),
    ...{ perSecond: null, latency: null, awayP50: null, peakMemoryMB: null, busy: null, failed: 0 },
  });
  return {
    id: 'm',
    title: 'memory of an idle bot',
    note: `Resident memory, ${idleMs / 1_000} s after the bot is ready; each round starts new processes`,
    rows: [
      row('monolith', 'the monolith as published', ours),
      ...(peers ? [row('discordjs', 'one process of discord.js, better-sqlite3', theirs)] : []),
    ],
    skipped: peers ? [] : ['one process of discord.js (its packages are not installed)'],
  };
}

/** A program that runs a pod, and the module of its bot. */
interface Program {
  readonly program: string;
  readonly bot: string;
}

const SOURCES: Program = { program: path('../../src/main.ts'), bot: path('../bots/notes.ts') };

function buildPackage(stage: Stage): Program {
  const folder = join(stage.subfolder(), 'package');
  const { status, stderr } = spawnSync(process.execPath, [path('../../scripts/build.ts'), folder], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`the package cannot be built: ${stderr}`);
  symlinkSync(path('../../node_modules'), join(folder, 'node_modules'));
  const bot = join(folder, 'notes.js');
  const source = stripTypeScriptTypes(readFileSync(path('../bots/notes.ts'), 'utf8'));
  writeFileSync(bot, source.replace('../../src/bot/index.ts', './src/bot/index.js'));
  return { program: join(folder, 'src/main.js'), bot };
}

async function startMonolith(stage: Stage, discord: CommandSource, { program, bot }: Program): Promise<RunningProcess> {
  const port = await findFreePorts(2);
  const running = stage.start({
    command: process.execPath,
    args: [program],
    core: stage.cores.tested,
    env: {
      ...{ NODE_ENV: 'production', SERVICE_MODE: 'monolith', HOST: '127.0.0.1', BOT: bot },
      ...{ PORT: String(port), ADMIN_PORT: String(port + 1), DATABASE_PATH: join(stage.subfolder(), 'bot.sqlite3') },
      ...{ DISCORD_API_URL: discord.apiUrl, DISCORD_APP_ID: discord.applicationId, DISCORD_TOKEN: discord.token },
      DISCORD_PUBLIC_KEY: discord.publicKey,
    },
  });
  await podReady(port + 1, running);
  return running;
}

async function startDiscordJs(stage: Stage, discord: CommandSource): Promise<RunningProcess> {
  const running = stage.start({
    command: process.execPath,
    args: [path('../peers/servers/discordjs-notes.mjs')],
    core: stage.cores.tested,
    channel: true,
    env: {
      ...{ NODE_ENV: 'production', DATABASE_PATH: join(stage.subfolder(), 'bot.sqlite3') },
      ...{ DISCORD_API_URL: discord.apiUrl, DISCORD_TOKEN: discord.token },
    },
  });
  await childMessage(running);
  return running;
}
