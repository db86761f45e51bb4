/**
 * Workload (f): gateway events from the simulator's websocket through the shipped bot's MESSAGE_CREATE handler into SQLite, one
 * transaction each. A burst is over when the database shows every message of it.
 */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { getGatewayPodForGuild } from '../../src/routing/index.ts';
import { findFreePorts } from '../../testkit/cluster/ports.ts';
import {
  type Cores,
  cpuMicroseconds,
  listening,
  peakMemory,
  processTree,
  type RunningProcess,
} from '../harness/processes.ts';
import { Stage } from '../harness/rounds.ts';
import { spread } from '../harness/statistics.ts';
import type { Row, Table } from '../harness/summary.ts';

const GUILDS = 200;
/** Events a second that a burst is sized for; only its length depends on it. */
const ASSUMED_RATE = 4_000;

const READY_WITHIN_MS = 30_000;

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

const CASES = [
  { id: 'owns-all', title: 'one pod, owns every guild', pods: 1 },
  { id: 'owns-a-third', title: 'one of three pods under md5: keeps a third, drops the rest', pods: 3 },
] as const;

export async function runGatewayEvents(options: {
  rounds: number;
  seconds: number;
  cores: Cores;
  progress: (line: string) => void;
}): Promise<Table> {
  const { rounds, seconds, progress } = options;
  const rows: Row[] = [];
  for (const { id, title, pods } of CASES) {
    await using stage = new Stage(options.cores);
    const source = stage.start({
      command: process.execPath,
      args: [path('./event-source.ts'), String(GUILDS)],
      core: stage.cores.rest,
      channel: true,
    });
    const discord = await message<Source>(source);
    const owned = discord.guilds.filter((guild) => getGatewayPodForGuild(guild, pods) === 0).length;
    const database = join(stage.subfolder(), 'gateway-0.sqlite3');
    const pod = await startGatewayPod(stage, discord, database, pods);
    const bursts: Burst[] = [];
    for (let round = 0; round < rounds; round++) {
      // Every guild gets equally many, so that the number of a third of them is exact.
      const events = GUILDS * Math.ceil((seconds * ASSUMED_RATE) / GUILDS);
      const burst = await runBurst(source, pod, database, events, (events / GUILDS) * owned);
      bursts.push(burst);
      progress(
        `  round ${round + 1}/${rounds}  ${title.padEnd(60)} ${(burst.cpuMicroseconds / events).toFixed(1).padStart(7)} µs CPU an event` +
          `  ${Math.round((events / burst.elapsedMs) * 1000)
            .toString()
            .padStart(6)}/s`,
      );
    }
    rows.push({
      id,
      title,
      role: 'ours',
      unit: 'µs CPU per event',
      cost: spread(bursts.map(({ cpuMicroseconds: cpu, events }) => cpu / events)),
      ours: null,
      target: null,
      perSecond: spread(bursts.map(({ events, elapsedMs }) => (events / elapsedMs) * 1000)),
      latency: null,
      awayP50: null,
      peakMemoryMB: Math.max(...bursts.map(({ peakMemory: peak }) => peak)) / 1e6,
      busy: spread(bursts.map(({ cpuMicroseconds: cpu, elapsedMs }) => cpu / 1000 / elapsedMs)),
      failed: 0,
    });
  }
  return {
    id: 'f',
    title: 'gateway events, from Discord’s websocket to SQLite',
    note: `MESSAGE_CREATE of ${GUILDS} guilds, counted by the shipped bot in a transaction each; per second and core is a million divided by the cost`,
    rows,
    skipped: [],
  };
}

async function startGatewayPod(stage: Stage, discord: Source, database: string, pods: number): Promise<RunningProcess> {
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
      NUM_GATEWAY_PODS: String(pods),
      GATEWAY_URL_TEMPLATE: `http://127.0.0.1:{${port}+ordinal}`,
      DATABASE_PATH: database,
      LINK_SECRET: 'only for the bench, not a secret',
      DISCORD_SHARDS: '1',
      DISCORD_API_URL: discord.apiUrl,
      DISCORD_TOKEN: discord.token,
      DISCORD_APP_ID: discord.applicationId,
    },
  });
  await ready(port + 1, running);
  return running;
}

/** Resolves when the pod is ready, and so its Discord session is. */
async function ready(adminPort: number, running: RunningProcess): Promise<void> {
  await listening(adminPort, running);
  const until = performance.now() + READY_WITHIN_MS;
  let answer = '';
  while (performance.now() < until) {
    const response = await fetch(`http://127.0.0.1:${adminPort}/readyz`);
    answer = await response.text();
    if (response.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the gateway pod is not ready: ${answer} ${running.output()}`);
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

function message<T>({ child, output }: RunningProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    child.once('message', (value) => resolve(value as T));
    child.once('exit', () => reject(new Error(`ended: ${output()}`)));
  });
}
