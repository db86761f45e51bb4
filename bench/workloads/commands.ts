/**
 * Workload (g): a slash command from socket to disk. Users use `/note` in the simulator. The bot inserts a row, counts the rows of the
 * guild and responds. Every system has the same schema, the same durability (WAL, `synchronous=FULL`) and the same simulator.
 */
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import type { RoutingStrategy } from '../../src/public-routing.ts';
import { findFreePorts } from '../../testkit/cluster/ports.ts';
import { type Cores, cpuMicroseconds, peakMemory, processTree, type RunningProcess } from '../harness/processes.ts';
import { Stage } from '../harness/rounds.ts';
import { routingEnvironment, topologyOf } from '../harness/routing.ts';
import { ratio, spread } from '../harness/statistics.ts';
import type { Row, Table } from '../harness/summary.ts';
import { targetOf } from '../harness/targets.ts';
import { childMessage, podReady } from './children.ts';
import type { CommandOrder, CommandReport, CommandSource } from './command-source.ts';

const GUILDS = 10;
const AT_ONCE = [1, 16, 64] as const;
const LINK_SECRET = 'only for the bench, not a secret';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** A running bot with all its processes. */
interface System {
  readonly id: string;
  readonly title: string;
  readonly role: Row['role'];
  readonly url: string | null;
  /** The process with the database. It has core 0 to itself. */
  readonly database: RunningProcess;
  readonly others: readonly RunningProcess[];
  readonly databasePath: string;
}

interface Measurement extends CommandReport {
  readonly cpuMicroseconds: number;
  /** The CPU of the process with the database. */
  readonly databaseCpuMicroseconds: number;
  readonly peakMemory: number;
}

/** @returns a table for each number of concurrent users, and one of the capacity of the process with the database */
export async function runCommands(options: {
  rounds: number;
  measureMs: number;
  cores: Cores;
  routing: RoutingStrategy;
  /** Whether the packages of the peers are installed. */
  peers: boolean;
  progress: (line: string) => void;
}): Promise<Table[]> {
  const { rounds, measureMs, progress } = options;
  const skipped = options.peers ? [] : ['discord.js, Express (their packages are not installed)'];
  await using stage = new Stage(options.cores, options.routing);
  const source = stage.start({
    command: process.execPath,
    args: [path('./command-source.ts'), String(GUILDS)],
    core: stage.cores.rest,
    channel: true,
  });
  const discord = await childMessage<CommandSource>(source);
  const systems = [
    await startGuildway(stage, discord, options.routing),
    ...(options.peers ? [await startDiscordJs(stage, discord), await startExpress(stage, discord)] : []),
  ];
  const runs = new Map(AT_ONCE.map((atOnce) => [atOnce, systems.map(() => [] as Measurement[])]));
  for (const system of systems) await order(source, { url: system.url, atOnce: 16, measureMs: 3 * measureMs });
  for (let round = 0; round < rounds; round++) {
    for (const atOnce of AT_ONCE) {
      const texts: string[] = [];
      for (const [i, system] of systems.entries()) {
        const run = await measure(source, system, { url: system.url, atOnce, measureMs });
        runs.get(atOnce)?.[i]?.push(run);
        texts.push(`${system.title} ${(run.cpuMicroseconds / run.answered).toFixed(0)}`);
      }
      progress(
        `  round ${round + 1}/${rounds}  ${String(atOnce).padStart(2)} at once, µs CPU a command: ${texts.join(', ')}`,
      );
    }
  }
  const fsyncs = new Map<string, number | null>();
  for (const system of systems)
    fsyncs.set(system.id, await countFsyncs(source, system, Math.min(1_000, 10 * measureMs)));
  for (const system of systems) checkRows(system);

  const tables = AT_ONCE.map((atOnce): Table => {
    const all = runs.get(atOnce) as Measurement[][];
    return {
      id: `g${atOnce}`,
      title: `a slash command from socket to disk, ${atOnce} at once`,
      note: `CPU of all processes of the system; ${GUILDS} guilds. ${fsyncText(systems, fsyncs)}`,
      rows: systems.flatMap((system, i) =>
        rowsOf(`g${atOnce}`, system, all[i] as Measurement[], all[0] as Measurement[]),
      ),
      skipped,
    };
  });
  return [...tables, capacity(systems, runs.get(64) as Measurement[][], skipped)];
}

const perCommand = ({ cpuMicroseconds: cpu, answered }: Measurement): number => cpu / answered;
const databasePerCommand = ({ databaseCpuMicroseconds: cpu, answered }: Measurement): number => cpu / answered;

function rowsOf(table: string, system: System, runs: readonly Measurement[], ours: readonly Measurement[]): Row[] {
  const row: Row = {
    ...{ id: system.id, title: system.title, role: system.role, unit: 'µs CPU per command' },
    cost: spread(runs.map(perCommand)),
    ours: runs === ours ? null : ratio(ours.map(perCommand), runs.map(perCommand)),
    target: targetOf(table, system.id),
    perSecond: spread(runs.map(({ answered, elapsedMs }) => (answered / elapsedMs) * 1_000)),
    latency: {
      p50: spread(runs.map(({ p50 }) => p50)),
      p99: spread(runs.map(({ p99 }) => p99)),
      p999: spread(runs.map(({ p999 }) => p999)),
    },
    awayP50: null,
    peakMemoryMB: Math.max(...runs.map(({ peakMemory: peak }) => peak)) / 1e6,
    busy: spread(runs.map(({ databaseCpuMicroseconds: cpu, elapsedMs }) => cpu / 1_000 / elapsedMs)),
    failed: runs.reduce((sum, { failed }) => sum + failed, 0),
  };
  if (system.others.length === 0) return [row];
  const part: Row = { ...row, id: `${system.id}-database`, title: 'of it, the gateway pod', role: 'floor' };
  return [row, { ...part, cost: spread(runs.map(databasePerCommand)), ours: null, target: null }];
}

/** The cost of the process with the database. A core provides a million of these microseconds per second. */
function capacity(systems: readonly System[], runs: readonly Measurement[][], skipped: readonly string[]): Table {
  const ours = (runs[0] as Measurement[]).map(databasePerCommand);
  return {
    id: 'g64-core',
    title: 'a slash command, 64 at once: capacity of the process with the database',
    note: 'CPU of the gateway pod alone, or of the whole bot if it is one process. Per second: the capacity of one core.',
    rows: systems.map((system, i): Row => {
      const costs = (runs[i] as Measurement[]).map(databasePerCommand);
      return {
        ...{ id: system.id, title: system.title, role: system.role, unit: 'µs CPU per command', failed: 0 },
        cost: spread(costs),
        ours: i === 0 ? null : ratio(ours, costs),
        target: targetOf('g64-core', system.id),
        perSecond: spread(costs.map((cost) => 1e6 / cost)),
        ...{ latency: null, awayP50: null, peakMemoryMB: null, busy: null },
      };
    }),
    skipped,
  };
}

const fsyncText = (systems: readonly System[], fsyncs: ReadonlyMap<string, number | null>): string => {
  const known = systems.flatMap(({ id, title }) => {
    const count = fsyncs.get(id);
    return count === undefined || count === null ? [] : [`${title} ${count.toFixed(2)}`];
  });
  return known.length === 0 ? '' : `fsyncs per command, 16 at once: ${known.join(', ')}.`;
};

async function startGuildway(stage: Stage, discord: CommandSource, routing: RoutingStrategy): Promise<System> {
  const port = await findFreePorts(4);
  const databasePath = join(stage.subfolder(), 'gateway-0.sqlite3');
  const env = {
    NODE_ENV: 'production',
    // No other bot identifies with this Discord.
    IDENTIFY_INTERVAL_MS: '100',
    HOST: '127.0.0.1',
    ...routingEnvironment(topologyOf(routing, 1)),
    GATEWAY_URL_TEMPLATE: `http://127.0.0.1:{${port}+ordinal}`,
    LINK_SECRET,
    BOT: path('../bots/notes.ts'),
    DISCORD_API_URL: discord.apiUrl,
    DISCORD_APP_ID: discord.applicationId,
    DISCORD_PUBLIC_KEY: discord.publicKey,
  };
  const database = stage.start({
    command: process.execPath,
    args: [path('../../src/main.ts')],
    core: stage.cores.tested,
    env: {
      ...{ ...env, SERVICE_MODE: 'gateway', POD_NAME: 'gateway-0', DISCORD_TOKEN: discord.token },
      ...{ PORT: String(port), ADMIN_PORT: String(port + 1), DATABASE_PATH: databasePath },
    },
  });
  await podReady(port + 1, database);
  const http = stage.start({
    command: process.execPath,
    args: [path('../../src/main.ts')],
    core: stage.cores.rest,
    env: {
      ...{ ...env, SERVICE_MODE: 'http', POD_NAME: 'http-0', NODE_OPTIONS: '--max-semi-space-size=8' },
      ...{ PORT: String(port + 2), ADMIN_PORT: String(port + 3) },
    },
  });
  await podReady(port + 3, http);
  return {
    ...{ id: 'guildway', title: 'Guildway, 1 HTTP pod and 1 gateway pod', role: 'ours' },
    ...{ url: `http://127.0.0.1:${port + 2}/webhooks/discord`, database, others: [http], databasePath },
  };
}

async function startDiscordJs(stage: Stage, discord: CommandSource): Promise<System> {
  const databasePath = join(stage.subfolder(), 'bot.sqlite3');
  const database = stage.start({
    command: process.execPath,
    args: [path('../peers/servers/discordjs-notes.mjs')],
    core: stage.cores.tested,
    channel: true,
    env: {
      NODE_ENV: 'production',
      DATABASE_PATH: databasePath,
      DISCORD_API_URL: discord.apiUrl,
      DISCORD_TOKEN: discord.token,
    },
  });
  await childMessage(database);
  const title = 'one process of discord.js, better-sqlite3';
  return { id: 'discordjs', title, role: 'peer', url: null, database, others: [], databasePath };
}

async function startExpress(stage: Stage, discord: CommandSource): Promise<System> {
  const port = await findFreePorts(1);
  const databasePath = join(stage.subfolder(), 'bot.sqlite3');
  const database = stage.start({
    command: process.execPath,
    args: [path('../peers/servers/express-notes.mjs')],
    core: stage.cores.tested,
    channel: true,
    env: {
      ...{ NODE_ENV: 'production', DATABASE_PATH: databasePath },
      ...{ PORT: String(port), DISCORD_PUBLIC_KEY: discord.publicKey },
    },
  });
  await childMessage(database);
  return {
    ...{ id: 'express', title: 'one process of Express, discord-interactions, better-sqlite3', role: 'peer' },
    ...{ url: `http://127.0.0.1:${port}/webhooks/discord`, database, others: [], databasePath },
  };
}

async function order(source: RunningProcess, what: CommandOrder): Promise<CommandReport> {
  const report = childMessage<CommandReport>(source);
  source.child.send(what);
  return report;
}

async function measure(source: RunningProcess, system: System, what: CommandOrder): Promise<Measurement> {
  deleteNotes(system);
  const databasePids = processTree(system.database.pid);
  const pids = [...databasePids, ...system.others.flatMap(({ pid }) => processTree(pid))];
  // Opens connections and warms up the code again after the measurement of other systems.
  await order(source, { ...what, measureMs: Math.min(300, what.measureMs / 3) });
  const before = cpuMicroseconds(pids);
  const databaseBefore = cpuMicroseconds(databasePids);
  const report = await order(source, what);
  if (report.answered === 0) throw new Error(`${system.title}: ${report.problem}: ${system.database.output()}`);
  return {
    ...report,
    cpuMicroseconds: cpuMicroseconds(pids) - before,
    databaseCpuMicroseconds: cpuMicroseconds(databasePids) - databaseBefore,
    peakMemory: peakMemory(pids),
  };
}

/** Counts with strace, outside the measured rounds, which it would slow down. Null if strace does not work. */
async function countFsyncs(source: RunningProcess, system: System, measureMs: number): Promise<number | null> {
  if (spawnSync('strace', ['--version']).status !== 0) return null;
  const tracer = spawn('strace', ['-f', '-c', '-e', 'trace=fsync,fdatasync', '-p', String(system.database.pid)]);
  let text = '';
  tracer.stderr.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await new Promise((resolve) => tracer.stderr.once('data', resolve));
  if (tracer.exitCode !== null) return null;
  const { answered } = await order(source, { url: system.url, atOnce: 16, measureMs });
  const ended = new Promise((resolve) => tracer.once('close', resolve));
  tracer.kill('SIGINT');
  await ended;
  // A line of the summary: % time, seconds, usecs/call, calls, errors (may be empty), syscall.
  const calls = [...text.matchAll(/^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s.*(?:fsync|fdatasync)$/gm)];
  return calls.reduce((sum, [, count]) => sum + Number(count), 0) / answered;
}

/** Empties the table. Each command counts the notes of its guild, so a system with more commands would otherwise count more rows. */
function deleteNotes({ databasePath }: System): void {
  using db = new DatabaseSync(databasePath, { timeout: 5_000 });
  db.exec('DELETE FROM notes');
}

/** @throws Error if a system confirmed notes that are not in its database */
function checkRows({ title, databasePath }: System): void {
  using db = new DatabaseSync(databasePath, { readOnly: true });
  const { rows, guilds } = db
    .prepare('SELECT COUNT(*) AS rows, COUNT(DISTINCT guild_id) AS guilds FROM notes')
    .get() as {
    rows: number;
    guilds: number;
  };
  if (rows === 0 || guilds !== GUILDS) throw new Error(`${title}: ${rows} rows of ${guilds} guilds in its database`);
}
