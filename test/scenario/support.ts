import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { countHints, readPods } from '../../testkit/chaos/databases.ts';
import type { Row } from '../../testkit/chaos/history.ts';
import { type Cluster, type ClusterOptions, type Pod, startCluster } from '../../testkit/cluster/index.ts';
import type { DiscordSimulator, InteractionResult } from '../../testkit/discord/index.ts';
import { FaultNetwork } from '../../testkit/faults/network.ts';

const BOT = fileURLToPath(new URL('../../testkit/chaos/bot.ts', import.meta.url));

/** Resolves with the first result other than false and undefined. @throws AssertionError after the timeout */
export async function until<T>(
  what: string,
  probe: () => T | false | undefined | Promise<T | false | undefined>,
  timeoutMs = 60_000,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const result = await probe();
    if (result !== false && result !== undefined) return result;
    if (performance.now() > end) assert.fail(`not within ${timeoutMs} ms: ${what}`);
    // Many probes open every pod's database.
    await sleep(50);
  }
}

/** A cluster with the bot that records operations, and a network that can be cut. */
export interface Scenario extends AsyncDisposable {
  readonly cluster: Cluster;
  readonly network: FaultNetwork;
  readonly simulator: DiscordSimulator;
  gateway(ordinal: number): Pod;
  http(index: number): Pod;
  /** The `nth` guild of this owner. */
  guildOf(owner: number, nth?: number): string;
  /** Uses the command that records an operation. */
  operate(guildId: string, id: string, options?: { steps?: number; 'slow-ms'?: number }): Promise<InteractionResult>;
  /** Records an operation through the guild's API. */
  write(guildId: string, id: string, headers?: Readonly<Record<string, string>>): Promise<Response>;
  /** The sorted rows of an operation as `step@pod`. */
  rowsOf(id: string): string[];
  rows(): readonly Row[];
  /** Resolves when no pod stores a request for another. */
  hintsDrained(timeoutMs?: number): Promise<void>;
}

export async function startScenario(options: ClusterOptions = {}): Promise<Scenario> {
  const network = new FaultNetwork();
  let cluster: Cluster;
  try {
    cluster = await startCluster({
      httpPods: 1,
      gatewayPods: 3,
      bot: BOT,
      network: network.install,
      ...options,
      env: { NODE_ENV: 'test', LINK_HEARTBEAT_MS: '1000', REQUEST_TIMEOUT_MS: '3000', ...options.env },
    });
  } catch (error) {
    await network.close();
    throw error;
  }
  const simulator = cluster.simulator as DiscordSimulator;
  const paths = cluster.gatewayPods.map((_, ordinal) => cluster.databasePath(ordinal));
  return {
    cluster,
    network,
    simulator,
    gateway: (ordinal) => cluster.gatewayPods[ordinal] as Pod,
    http: (index) => cluster.httpPods[index] as Pod,
    guildOf(owner, nth = 0) {
      const guildId = simulator.guilds.ids.filter((id) => cluster.topology.ownerOf(id) === owner)[nth];
      assert.ok(guildId !== undefined, `there are no ${nth + 1} guilds of owner ${owner}`);
      return guildId;
    },
    operate: (guildId, id, more) =>
      simulator.interactions.command({ guildId, name: 'operation', options: { id, ...more } }),
    write: (guildId, id, headers) =>
      fetch(`${cluster.url}/api/guilds/${guildId}/operations`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ operation: id, steps: 1, slowMs: 0 }),
      }),
    rows: () => readPods(paths).rows,
    rowsOf: (id) =>
      readPods(paths)
        .rows.filter(({ operation }) => operation === id)
        .map(({ step, pod }) => `${step}@${pod}`)
        .toSorted(),
    hintsDrained: async (timeoutMs) => {
      await until('every hint is delivered', () => paths.every((path) => countHints(path) === 0), timeoutMs);
    },
    async [Symbol.asyncDispose]() {
      await cluster.stop();
      await network.close();
    },
  };
}

/** Starts a pod with one of the faults of src/gateway/faults.ts. */
export async function restartWithFault(pod: Pod, fault: string): Promise<void> {
  await pod.stop();
  pod.env.GUILDWAY_TEST_FAULT = fault;
  await pod.start();
}

/** Restarts a pod that its fault has killed, without the fault. */
export async function restartAfterFault(pod: Pod): Promise<void> {
  const { signal } = await pod.exited;
  assert.equal(signal, 'SIGKILL', `${pod.name} was to be killed by its fault`);
  delete pod.env.GUILDWAY_TEST_FAULT;
  await pod.start();
}

/** Asserts a deferred response within Discord's time limit, which the simulator enforces, and its completion with success. */
export function assertDeferred(result: InteractionResult): void {
  assert.equal(result.outcome, 'deferred', `${result.problem ?? JSON.stringify(result.response)}`);
  assert.equal(result.responseType, 5);
}

/** Waits for the completion of a deferred response and returns its text. */
export async function completion(result: InteractionResult, timeoutMs = 60_000): Promise<string> {
  const { outcome, message } = await result.settled(timeoutMs);
  assert.equal(outcome, 'completed', `it was deferred and not completed within ${timeoutMs} ms`);
  return message?.content ?? '';
}
