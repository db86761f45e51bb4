import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createTopology } from '../../src/public-routing.ts';
import { Pod } from '../cluster/pod.ts';
import { findFreePorts } from '../cluster/ports.ts';
import type { PlannedJob } from './bot.ts';
import { check, type Downtime, type JobsReport, jobsLeft, type Plan } from './check.ts';

export interface JobsRunOptions {
  readonly jobs: number;
  /** The jobs are due within this time. */
  readonly seconds: number;
  /** Between two kills or restarts. */
  readonly everyMs: number;
  readonly onProgress?: (line: string) => void;
}

const EXTENSION = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
const BOT = fileURLToPath(new URL(`bot${EXTENSION}`, import.meta.url));
const COMPILE_CACHE = fileURLToPath(new URL('../../node_modules/.cache/guildway', import.meta.url));
/** Three pods at first, four in the end. */
const [FEW, MANY] = [3, 4];
const GUILDS = Array.from({ length: 40 }, (_, i) => String((1n << 60n) + BigInt(i) * 1_000_003n));
const JOBS_PER_REQUEST = 25;
const SETTLE_MS = 120_000;

/**
 * Runs jobs through kills, restarts, and a change from three to four gateway pods, and reads the databases afterwards.
 * @throws if the pods do not start, or jobs are left after two minutes
 */
export async function runJobs(options: JobsRunOptions): Promise<JobsReport> {
  const directory = await mkdtemp(join(tmpdir(), 'guildway-jobs-'));
  const port = await findFreePorts(2 * (MANY + 1));
  const pods = Array.from({ length: MANY + 1 }, (_, index) => newPod(index, port, directory));
  const databases = pods.slice(0, MANY).map((pod) => pod.env.DATABASE_PATH as string);
  const [http] = pods.slice(MANY) as [Pod];
  const gateways = pods.slice(0, FEW);
  try {
    start([...gateways, http], FEW, 1);
    await Promise.all([...gateways, http].map((pod) => pod.ready()));
    const plan = newPlan(options);
    const downtimes: Downtime[] = [];
    const faults = injectFaults(options, pods.slice(0, MANY), downtimes);
    const cancelled = await schedule(http, plan);
    options.onProgress?.(`${plan.jobs.length} jobs are scheduled`);
    const { kills, restarts } = await faults;
    options.onProgress?.(`${kills} kills, ${restarts} restarts; waiting for the rest`);
    await settle(databases, options);
    return { ...check({ plan, cancelled, databases, downtimes, ownersOf }), kills, restarts };
  } finally {
    await Promise.all(pods.map((pod) => pod.kill('SIGKILL')));
    await rm(directory, { recursive: true, force: true });
  }
}

function newPod(index: number, port: number, directory: string): Pod {
  const isGateway = index < MANY;
  const name = isGateway ? `gateway-${index}` : 'http-0';
  return new Pod({
    name,
    ordinal: isGateway ? index : null,
    port: port + index,
    adminPort: port + MANY + 1 + index,
    logFile: join(directory, `${name}.log`),
    env: {
      ...{ NODE_COMPILE_CACHE: COMPILE_CACHE, BOT, POD_NAME: name, LINK_SECRET: 'a secret of the test cluster' },
      GATEWAY_URL_TEMPLATE: `http://127.0.0.1:{${port}+ordinal}`,
      SERVICE_MODE: isGateway ? 'gateway' : 'http',
      ...(isGateway ? { DATABASE_PATH: join(directory, `${name}.sqlite3`) } : {}),
    },
  });
}

function start(pods: readonly Pod[], count: number, epoch: number): void {
  for (const pod of pods) {
    pod.env.NUM_GATEWAY_PODS = String(count);
    pod.env.TOPOLOGY_EPOCH = String(epoch);
    pod.spawn();
  }
}

function newPlan({ jobs: count, seconds }: JobsRunOptions): Plan {
  const now = Date.now();
  const jobs = Array.from({ length: count }, (_, i): Plan['jobs'][number] => {
    const kind = i % 8 === 0 ? 'fails' : i % 4 === 1 ? 'steps' : 'plain';
    const fate = i % 20 === 7 ? 'cancelled' : i % 20 === 13 ? 'replaced' : 'runs';
    const at = now + Math.floor(Math.random() * seconds * 1_000);
    return { id: `job-${i}`, guildId: GUILDS[i % GUILDS.length] as string, kind, fate, at };
  });
  return { jobs };
}

/** Schedules all jobs, each request until it is acknowledged. @returns the ids of the jobs that a pod said it has cancelled */
async function schedule(http: Pod, { jobs }: Plan): Promise<ReadonlySet<string>> {
  const cancelled = new Set<string>();
  const guilds = [...Map.groupBy(jobs, ({ guildId }) => guildId)];
  await Promise.all(
    guilds.map(async ([guildId, own]) => {
      for (let i = 0; i < own.length; i += JOBS_PER_REQUEST) {
        const batch = own.slice(i, i + JOBS_PER_REQUEST);
        const planned = batch.flatMap((job): PlannedJob[] => {
          const { id, kind, at, fate } = job;
          if (fate === 'runs') return [{ id, kind, at }];
          if (fate === 'cancelled') return [{ id, kind, at, key: id }];
          return [
            { id: `${id}-before`, kind, at, key: id },
            { id, kind, at, key: id },
          ];
        });
        await post(http, guildId, { schedule: planned });
        const cancel = batch.filter(({ fate }) => fate === 'cancelled').map(({ id }) => id);
        for (const id of (await post(http, guildId, { cancel })).cancelled) cancelled.add(id);
      }
    }),
  );
  return cancelled;
}

let keys = 0;

async function post(http: Pod, guildId: string, body: object): Promise<{ cancelled: string[] }> {
  const key = `${process.pid}-${keys++}`;
  const text = JSON.stringify(body);
  const headers = { 'content-type': 'application/json', 'idempotency-key': key };
  for (;;) {
    try {
      const response = await fetch(`${http.url}/api/guilds/${guildId}/jobs`, { method: 'POST', headers, body: text });
      if (response.status === 200) return (await response.json()) as { cancelled: string[] };
      await response.body?.cancel();
    } catch {
      // The HTTP pod is never restarted; its owner may be.
    }
    await delay(50);
  }
}

/** Kills and restarts pods, and adds a pod halfway. */
async function injectFaults(
  { seconds, everyMs, onProgress }: JobsRunOptions,
  gateways: readonly Pod[],
  downtimes: Downtime[],
): Promise<{ readonly kills: number; readonly restarts: number }> {
  const end = performance.now() + seconds * 1_000;
  const half = performance.now() + seconds * 500;
  let [count, kills, restarts] = [FEW, 0, 0];
  const down = async (pod: Pod, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
    const from = Date.now();
    await pod.kill(signal);
    start([pod], count, count === FEW ? 1 : 2);
    await pod.ready();
    downtimes.push({ pod: pod.ordinal as number, from, to: Date.now() });
    if (signal === 'SIGKILL') kills++;
    else restarts++;
  };
  while (performance.now() < end) {
    await delay(everyMs);
    if (count === FEW && performance.now() > half) {
      onProgress?.('a fourth gateway pod joins');
      count = MANY;
      const added = gateways[FEW] as Pod;
      start([added], MANY, 2);
      for (const pod of gateways.slice(0, FEW)) await down(pod, 'SIGTERM');
      await added.ready();
    }
    await down(gateways[Math.floor(Math.random() * count)] as Pod, Math.random() < 0.7 ? 'SIGKILL' : 'SIGTERM');
  }
  return { kills, restarts };
}

const ownersOf = (guildId: string): readonly number[] =>
  [FEW, MANY].map((pods) => createTopology({ strategy: 'md5', pods }).ownerOf(guildId));

/** Resolves when no job is left, and each guild is where the last topology says. */
async function settle(databases: readonly string[], { onProgress }: JobsRunOptions): Promise<void> {
  const end = performance.now() + SETTLE_MS;
  const { ownerOf } = createTopology({ strategy: 'md5', pods: MANY });
  for (;;) {
    const left = jobsLeft(databases, ownerOf);
    if (left === 0) return;
    if (performance.now() > end) throw new Error(`${left} jobs or guilds are left after ${SETTLE_MS / 1_000} s`);
    onProgress?.(`${left} jobs or guilds are left`);
    await delay(250);
  }
}
