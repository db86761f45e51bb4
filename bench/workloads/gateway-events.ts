/**
 * Workload (f): gateway events from the simulator's websocket through the shipped bot's MESSAGE_CREATE handler into SQLite, with one
 * transaction each. A burst ends when the database contains every message of it.
 */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import type { RoutingStrategy, Topology } from '../../src/public-routing.ts';
import { findFreePorts } from '../../testkit/cluster/ports.ts';
import { type Cores, cpuMicroseconds, peakMemory, processTree, type RunningProcess } from '../harness/processes.ts';
import { Stage } from '../harness/rounds.ts';
import { routingEnvironment, topologyOf } from '../harness/routing.ts';
import { ratio, spread } from '../harness/statistics.ts';
import type { Row, Table } from '../harness/summary.ts';
import { targetOf } from '../harness/targets.ts';
import { childMessage, podReady } from './children.ts';

const GUILDS = 200;
/** The assumed events per second, which determines the length of a burst. */
const ASSUMED_RATE = 4_000;

interface Source {
  readonly apiUrl: string;
  readonly applicationId: string;
  readonly token: string;
  readonly guilds: readonly string[];
}

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

interface Burst {
  readonly events: number;
  readonly elapsedMs: number;
  readonly cpuMicroseconds: number;
  readonly peakMemory: number;
}

/** A bot that counts messages, with its own simulator. */
interface Case {
  readonly id: string;
  readonly title: string;
  readonly role: Row['role'];
  /** The number of pods in the topology. The bot is gateway-0 and counts its guilds. */
  readonly pods: number;
  start(stage: Stage, discord: Source, database: string, topology: Topology): Promise<RunningProcess>;
}

const CASES: readonly Case[] = [
  {
    ...{ id: 'owns-all', title: 'one pod, owns every guild', role: 'ours', pods: 1 },
    start: startGatewayPod,
  },
  {
    ...{
      id: 'owns-a-third',
      title: 'one of three pods: under md5 it keeps a third and drops the rest',
      role: 'ours',
      pods: 3,
    },
    start: startGatewayPod,
  },
  {
    ...{ id: 'discordjs', title: 'one process of discord.js, better-sqlite3', role: 'peer', pods: 1 },
    start: startDiscordJs,
  },
];

export async function runGatewayEvents(options: {
  rounds: number;
  seconds: number;
  cores: Cores;
  routing: RoutingStrategy;
  /** Whether the packages of the peers are installed. */
  peers: boolean;
  progress: (line: string) => void;
}): Promise<Table> {
  const { rounds, seconds, progress } = options;
  await using stage = new Stage(options.cores, options.routing);
  const cases = CASES.filter(({ role }) => role === 'ours' || options.peers);
  const running = [];
  for (const one of cases) {
    const source = stage.start({
      command: process.execPath,
      args: [path('./event-source.ts'), String(GUILDS)],
      core: stage.cores.rest,
      channel: true,
    });
    const discord = await childMessage<Source>(source);
    const topology = topologyOf(options.routing, one.pods);
    const owned = discord.guilds.filter((guild) => topology.ownerOf(guild) === 0).length;
    const database = join(stage.subfolder(), 'bot.sqlite3');
    const bot = await one.start(stage, discord, database, topology);
    running.push({ ...one, source, owned, database, bot, bursts: [] as Burst[] });
  }
  for (let round = 0; round < rounds; round++) {
    for (const { title, source, bot, database, owned, bursts } of running) {
      // Every guild gets the same number of events, so that a third of the guilds has an exact number.
      const events = GUILDS * Math.ceil((seconds * ASSUMED_RATE) / GUILDS);
      const burst = await runBurst(source, bot, database, events, (events / GUILDS) * owned);
      bursts.push(burst);
      progress(
        `  round ${round + 1}/${rounds}  ${title.padEnd(60)} ${perEvent(burst).toFixed(1).padStart(7)} µs CPU an event` +
          `  ${Math.round((events / burst.elapsedMs) * 1000)
            .toString()
            .padStart(6)}/s`,
      );
    }
  }
  const ours = (running[0]?.bursts ?? []).map(perEvent);
  return {
    id: 'f',
    title: 'gateway events, from Discord’s websocket to SQLite',
    note: `MESSAGE_CREATE of ${GUILDS} guilds, each counted in a transaction; per second and core is a million divided by the cost`,
    rows: running.map(({ id, title, role, bursts }): Row => {
      const costs = bursts.map(perEvent);
      return {
        ...{ id, title, role, unit: 'µs CPU per event', failed: 0, latency: null, awayP50: null },
        cost: spread(costs),
        ours: role === 'ours' ? null : ratio(ours, costs),
        target: targetOf('f', id),
        perSecond: spread(bursts.map(({ events, elapsedMs }) => (events / elapsedMs) * 1000)),
        peakMemoryMB: Math.max(...bursts.map(({ peakMemory: peak }) => peak)) / 1e6,
        busy: spread(bursts.map(({ cpuMicroseconds: cpu, elapsedMs }) => cpu / 1000 / elapsedMs)),
      };
    }),
    skipped: options.peers ? [] : ['one process of discord.js (its packages are not installed)'],
  };
}

const perEvent = ({ cpuMicroseconds: cpu, events }: Burst): number => cpu / events;

async function startDiscordJs(stage: Stage, discord: Source, database: string): Promise<RunningProcess> {
  const bot = stage.start({
    command: process.execPath,
    args: [path('../peers/servers/discordjs-notes.mjs')],
    core: stage.cores.tested,
    channel: true,
    env: {
      ...{ NODE_ENV: 'production', DATABASE_PATH: database },
      ...{ DISCORD_API_URL: discord.apiUrl, DISCORD_TOKEN: discord.token },
    },
  });
  await childMessage(bot);
  return bot;
}

async function startGatewayPod(
  stage: Stage,
  discord: Source,
  database: string,
  topology: Topology,
): Promise<RunningProcess> {
  const port = await findFreePorts(2);
  const running = stage.start({
    command: process.execPath,
    args: [path('../../src/main.ts')],
    core: stage.cores.tested,
    env: {
      NODE_ENV: 'production',
      SERVICE_MODE: 'gateway',
      HOST: '127.0.0.1',
      PORT: String(port),
      ADMIN_PORT: String(port + 1),
      POD_NAME: 'gateway-0',
      // The other pods of the topology never start.
      TOPOLOGY_CONFIRMED: topology.fingerprint,
      GATEWAY_URL_TEMPLATE: `http://127.0.0.1:{${port}+ordinal}`,
      DATABASE_PATH: database,
      LINK_SECRET: 'only for the bench, not a secret',
      DISCORD_SHARDS: '1',
      // No other bot identifies with this Discord.
      IDENTIFY_INTERVAL_MS: '100',
      ...routingEnvironment(topology),
      DISCORD_API_URL: discord.apiUrl,
      DISCORD_TOKEN: discord.token,
      DISCORD_APP_ID: discord.applicationId,
    },
  });
  await podReady(port + 1, running);
  return running;
}

async function runBurst(
  source: RunningProcess,
  pod: RunningProcess,
  database: string,
  events: number,
  expected: number,
): Promise<Burst> {
  const pids = processTree(pod.pid);
  using db = new DatabaseSync(database, { readOnly: true });
  const statement = db.prepare('SELECT COALESCE(SUM(messages), 0) AS messages FROM activity');
  const counted = (): number => Number(statement.get()?.messages);
  const before = counted();
  const cpuBefore = cpuMicroseconds(pids);
  const startedAt = performance.now();
  source.child.send({ send: events });
  while (counted() < before + expected) {
    if (performance.now() - startedAt > 120_000) {
      throw new Error(`only ${counted() - before} of ${expected} events were counted: ${pod.output()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return {
    events,
    elapsedMs: performance.now() - startedAt,
    cpuMicroseconds: cpuMicroseconds(pids) - cpuBefore,
    peakMemory: peakMemory(pids),
  };
}
