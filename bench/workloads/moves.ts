/**
 * Workload (r): the number of gateway pods changes under load. Pods of the local cluster with their databases; clients send requests
 * through an HTTP pod all the time.
 */
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Pool } from 'undici';
import { createTopology, type RoutingStrategy } from '../../src/public-routing.ts';
import { type Cluster, startCluster } from '../../testkit/cluster/index.ts';
import { peakMemory } from '../harness/processes.ts';
import { readPauses } from './pauses.ts';

const BOT = fileURLToPath(new URL('../bots/moves.ts', import.meta.url));
const REQUESTS_PER_SECOND = 100;
const CALM_MS = 5_000;
/** Every number of pods that is measured has a shard for each. */
const SHARDS = 10;
const LARGE_ROW_BYTES = 1_000;

/** A requirement and what was measured. */
export interface Finding {
  readonly what: string;
  readonly wanted: string;
  readonly seen: string;
  readonly met: boolean;
}

export interface MovesOptions {
  /** A tenth of everything: only checks that it works. */
  readonly quick: boolean;
  readonly progress: (line: string) => void;
}

interface Request {
  readonly sentAt: number;
  readonly guildId: string;
  readonly ms: number;
  readonly status: number;
}

/** Sends requests at a constant rate, regardless of how many are in flight. */
class Load {
  readonly requests: Request[] = [];
  readonly #pool: Pool;
  readonly #guildIds: readonly string[];
  readonly #stopping = new AbortController();
  readonly #inFlight = new Set<Promise<void>>();
  readonly #running: Promise<void>;

  constructor(url: string, guildIds: readonly string[], perSecond = REQUESTS_PER_SECOND) {
    this.#pool = new Pool(url, { connections: 64, headersTimeout: 0, bodyTimeout: 0 });
    this.#guildIds = guildIds;
    this.#running = this.#run(perSecond);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await Promise.all(this.#inFlight);
    await this.#pool.close();
  }

  async #run(perSecond: number): Promise<void> {
    const { signal } = this.#stopping;
    const startedAt = performance.now();
    for (let sent = 0; !signal.aborted; ) {
      const due = ((performance.now() - startedAt) / 1_000) * perSecond;
      for (; sent < due; sent++) {
        const guildId = this.#guildIds[(sent * 7_919) % this.#guildIds.length] as string;
        const request = this.#send(guildId, sent % 4 === 0).finally(() => this.#inFlight.delete(request));
        this.#inFlight.add(request);
      }
      await delay(2, undefined, { signal }).catch(() => {});
    }
  }

  async #send(guildId: string, write: boolean): Promise<void> {
    const sentAt = performance.now();
    let status = 0;
    try {
      const { statusCode, body } = await this.#pool.request({
        ...{ method: write ? 'POST' : 'GET', path: `/api/guilds/${guildId}/notes` },
        ...(write ? { body: 'a note' } : {}),
      });
      await body.dump();
      status = statusCode;
    } catch {
      // No answer: counted as failed.
    }
    this.requests.push({ sentAt, guildId, ms: performance.now() - sentAt, status });
  }
}

const guildIdsOf = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => String((1n << 60n) + BigInt(i) * (1n << 22n) * 977n));

/** Writes rows of guilds straight into the databases of their owners. */
function fill(cluster: Cluster, guildIds: readonly string[], rows: number, bytes: number): void {
  const byOwner = Map.groupBy(guildIds, (guildId) => cluster.topology.ownerOf(guildId));
  for (const [ordinal, guilds] of byOwner) {
    const sqlite = new DatabaseSync(cluster.databasePath(ordinal), { timeout: 10_000 });
    const insert = sqlite.prepare('INSERT INTO notes (guild_id, text) VALUES (?, ?)');
    for (let at = 0; at < guilds.length; at += 500) {
      sqlite.exec('BEGIN IMMEDIATE');
      for (const guildId of guilds.slice(at, at + 500))
        for (let row = 0; row < rows; row++) insert.run(guildId, `note ${row} `.padEnd(bytes, 'lorem ipsum '));
      sqlite.exec('COMMIT');
    }
    sqlite.close();
  }
}

const percentile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;

const inMs = (ms: number): string => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
const inSeconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

function start(routing: RoutingStrategy, gatewayPods: number, mostGatewayPods: number): Promise<Cluster> {
  return startCluster({
    ...{ routing, gatewayPods, mostGatewayPods, httpPods: 1, guilds: 5, bot: BOT },
    ...(routing === 'discord-shard' ? { discordShards: SHARDS } : {}),
  });
}

/** When the pods began to move guilds, and when the new topology was in force, on the clock of `performance.now()`. */
interface Moved {
  readonly from: number;
  readonly until: number;
}

/** Changes the number of pods. Pod 0 restarts first; that is no part of the move. */
async function resize(cluster: Cluster, pods: number): Promise<Moved> {
  const changed = cluster.resize(pods);
  let from: number | null = null;
  const watching = (async () => {
    while (from === null && cluster.progress === null) await delay(10);
    from ??= performance.now();
  })();
  await Promise.race([changed, watching]);
  from ??= performance.now();
  await changed;
  return { from, until: performance.now() };
}

/** 3 pods become 5, and 3 again. */
async function smallGuilds(routing: RoutingStrategy, { quick, progress }: MovesOptions): Promise<Finding[]> {
  const guildIds = guildIdsOf(quick ? 100 : 1_000);
  await using cluster = await start(routing, 3, 5);
  fill(cluster, guildIds, 50, 60);
  const load = new Load(cluster.url, guildIds);
  await delay(1_000);
  const calmFrom = performance.now();
  await delay(quick ? 500 : CALM_MS);
  const calmUntil = performance.now();
  const up = await resize(cluster, 5);
  const pauses = await readPauses(cluster.gatewayPods);
  progress(`  ${routing}: 3 to 5 in ${inSeconds(up.until - up.from)}`);
  const down = await resize(cluster, 3);
  progress(`  ${routing}: 5 to 3 in ${inSeconds(down.until - down.from)}`);
  await delay(500);
  await load.stop();
  const during = (from: number, until: number): number[] =>
    load.requests.filter(({ sentAt }) => sentAt >= from && sentAt < until).map(({ ms }) => ms);
  const failed = load.requests.filter(({ status }) => status !== 200 && status !== 201);
  const calm = percentile(during(calmFrom, calmUntil), 0.99);
  const moving = percentile([...during(up.from, up.until), ...during(down.from, down.until)], 0.99);
  const [p50, p99] = [pauses.percentile(0.5), pauses.percentile(0.99)];
  const name = `${guildIds.length} guilds of 50 rows, ${routing}`;
  return [
    finding(`${name}: failed of ${load.requests.length} requests`, '0', String(failed.length), failed.length === 0),
    finding(`${name}: pause of ${pauses.count} guilds, p50`, 'below 10 ms', `at most ${inMs(p50)}`, p50 <= 10),
    finding(`${name}: the same, p99`, 'below 50 ms', `at most ${inMs(p99)}`, p99 <= 50),
    ...(['3 to 5', '5 to 3'] as const).map((change, i) => {
      const took = i === 0 ? up.until - up.from : down.until - down.from;
      return finding(`${name}: ${change}, all of it`, 'below 10 s', inSeconds(took), took < 10_000);
    }),
    finding(
      `${name}: p99 of all requests while guilds move, and calm`,
      'at most 1.5 times',
      `${(moving / calm).toFixed(2)} (${inMs(moving)}, ${inMs(calm)})`,
      moving <= 1.5 * calm,
    ),
  ];
}

/** A guild of 50 MB moves while it is written to. */
async function largeGuild({ quick, progress }: MovesOptions): Promise<Finding[]> {
  const bytes = quick ? 2_000_000 : 50_000_000;
  await using cluster = await start('md5', 1, 2);
  const two = createTopology({ strategy: 'md5', pods: 2 });
  const guildIds = guildIdsOf(20)
    .filter((guildId) => two.ownerOf(guildId) === 1)
    .slice(0, 1);
  fill(cluster, guildIds, bytes / LARGE_ROW_BYTES, LARGE_ROW_BYTES);
  const load = new Load(cluster.url, guildIds, 50);
  await delay(500);
  const { from, until } = await resize(cluster, 2);
  const pauses = await readPauses(cluster.gatewayPods);
  await load.stop();
  progress(`  one guild of ${bytes / 1e6} MB in ${inSeconds(until - from)}`);
  const failed = load.requests.filter(({ status }) => status !== 200 && status !== 201).length;
  const name = `a guild of ${bytes / 1e6} MB, 50 requests a second`;
  const pause = pauses.sum * 1_000;
  return [
    finding(`${name}: pause`, 'below 250 ms', inMs(pause), pauses.count === 1 && pause < 250),
    finding(`${name}: failed of ${load.requests.length} requests`, '0', String(failed), failed === 0),
  ];
}

/** Very many guilds. */
async function manyGuilds({ quick, progress }: MovesOptions): Promise<Finding[]> {
  const guildIds = guildIdsOf(quick ? 1_000 : 100_000);
  await using cluster = await start('md5', 3, 5);
  fill(cluster, guildIds, 20, 60);
  const load = new Load(cluster.url, guildIds);
  const { from, until } = await resize(cluster, 5);
  const memory = Math.max(...cluster.gatewayPods.map(({ pid }) => peakMemory([pid ?? -1])));
  const pauses = await readPauses(cluster.gatewayPods);
  await load.stop();
  const took = until - from;
  progress(`  ${guildIds.length} guilds in ${inSeconds(took)}`);
  const failed = load.requests.filter(({ status }) => status !== 200 && status !== 201).length;
  const name = `${guildIds.length} guilds of 20 rows, 3 to 5`;
  return [
    finding(`${name}: all of it`, 'below 300 s', `${inSeconds(took)}, ${pauses.count} guilds moved`, took < 300_000),
    finding(
      `${name}: largest memory of a gateway pod`,
      'below 256 MB',
      `${Math.round(memory / 1e6)} MB`,
      memory < 256e6,
    ),
    finding(`${name}: failed of ${load.requests.length} requests`, '0', String(failed), failed === 0),
  ];
}

export async function runMoves(options: MovesOptions): Promise<Finding[]> {
  const parts = [
    () => smallGuilds('md5', options),
    () => smallGuilds('discord-shard', options),
    () => largeGuild(options),
    () => manyGuilds(options),
  ];
  const findings: Finding[] = [];
  for (const part of parts) {
    const found = await part();
    for (const { what, seen } of found) options.progress(`  ${what}: ${seen}`);
    findings.push(...found);
  }
  return findings;
}

const finding = (what: string, wanted: string, seen: string, met: boolean): Finding => ({ what, wanted, seen, met });

/** The findings as a table. */
export function findingsTable(findings: readonly Finding[]): string {
  const lines = findings.map(
    ({ what, wanted, seen, met }) => `| ${what} | ${seen} | ${wanted}: ${met ? 'reached' : 'missed'} |`,
  );
  return [
    '### (r) the number of gateway pods changes under load',
    '',
    '| | measured | target |',
    '| --- | ---: | ---: |',
    ...lines,
    '',
  ].join('\n');
}
