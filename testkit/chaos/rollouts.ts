import { setTimeout as sleep } from 'node:timers/promises';
import { createTopology, type Topology } from '../../src/public-routing.ts';
import type { Cluster, Pod } from '../cluster/index.ts';
import { look } from './databases.ts';
import { SeededRandom } from './random.ts';

/** A change of the number of gateway pods. */
export interface Resize {
  readonly atMs: number;
  readonly pods: number;
}

export interface ResizePlan {
  readonly seed: number;
  readonly lengthMs: number;
  /** The number at the start. */
  readonly pods: number;
  /** The largest number. */
  readonly most: number;
}

/** Changes the seed, so that faults and changes of the number draw different numbers. */
const RESIZES = 0x9e3779b9;
/** Before a move can have ended, and after it usually has. */
const SOON_MS = [300, 3_000] as const;
const LATER_MS = [6_000, 14_000] as const;

/** Plans the changes: to other numbers and back, some before the last one has ended. Equal plans for equal seeds. */
export function planResizes({ seed, lengthMs, pods, most }: ResizePlan): Resize[] {
  const random = new SeededRandom(seed ^ RESIZES);
  const resizes: Resize[] = [];
  let before = pods;
  let now = pods;
  for (let atMs = 1_500; atMs < lengthMs; ) {
    const others = Array.from({ length: most }, (_, i) => i + 1).filter((number) => number !== now);
    const next = before !== now && random.chance(0.3) ? before : random.pick(others);
    [before, now] = [now, next];
    resizes.push({ atMs, pods: next });
    const [least, longest] = random.chance(0.4) ? SOON_MS : LATER_MS;
    atMs += random.integer(least, longest);
  }
  return resizes;
}

export interface RolloutsOptions {
  readonly cluster: Cluster;
  /** Waits until no fault has the pod, and keeps faults away from it meanwhile. */
  readonly undisturbed: (pod: Pod, work: () => Promise<void>) => Promise<void>;
  readonly log: (line: string) => void;
}

const READY_MS = 60_000;
const LOOK_MS = 200;

/**
 * Changes the number of gateway pods as an operator does: the new number and the next epoch for every pod, new pods start, the others
 * restart one after the other. Pods beyond the number end when the topology is in force, and keep their volumes.
 */
export class Rollouts {
  readonly #options: RolloutsOptions;
  #topology: Topology;
  #count = 0;
  /** The rollout under way. A newer one replaces it. */
  #rollout: Promise<void> = Promise.resolve();
  /** Whether the newest topology is in force, so that no other pod has guilds. */
  #inForce = true;
  readonly failures: Error[] = [];

  constructor(options: RolloutsOptions) {
    this.#options = options;
    this.#topology = options.cluster.topology;
  }

  /** The newest topology. */
  get topology(): Topology {
    return this.#topology;
  }

  /** How often the number has changed. */
  get count(): number {
    return this.#count;
  }

  /** Resolves when the last change has begun. */
  async run(resizes: readonly Resize[]): Promise<void> {
    const startedAt = performance.now();
    for (const { atMs, pods } of resizes) {
      await sleep(Math.max(0, atMs - (performance.now() - startedAt)));
      this.#begin(pods);
    }
  }

  #begin(pods: number): void {
    const { cluster, log } = this.#options;
    const { strategy, shards, epoch } = this.#topology;
    this.#count++;
    while (cluster.gatewayPods.length < pods) cluster.addGatewayPod();
    this.#topology = createTopology({ strategy, pods, epoch: epoch + 1, ...(shards === null ? {} : { shards }) });
    log(`the number of gateway pods becomes ${pods} (epoch ${epoch + 1})`);
    for (const { env } of [...cluster.gatewayPods, ...cluster.httpPods]) {
      env.NUM_GATEWAY_PODS = String(pods);
      env.TOPOLOGY_EPOCH = String(epoch + 1);
    }
    const previous = this.#rollout;
    this.#rollout = this.#roll(previous, pods, epoch + 1).catch((error: Error) => {
      this.failures.push(error);
      log(error.message);
    });
  }

  /** Resolves when the last rollout has ended, every guild is at its owner, and no pod has rows that are not its own. */
  async settled(timeoutMs: number): Promise<void> {
    const { cluster } = this.#options;
    await this.#rollout;
    // Pods that were removed: what they still hold must not matter, and goes.
    for (const pod of cluster.gatewayPods) if (!pod.running) pod.spawn();
    await Promise.all(
      cluster.gatewayPods.map((pod) => pod.ready(READY_MS).catch((error) => this.failures.push(error))),
    );
    const end = performance.now() + timeoutMs;
    const waitsFor = (): string[] => cluster.gatewayPods.flatMap((pod) => this.#unsettled(pod) ?? []);
    while (waitsFor().length > 0) {
      if (performance.now() > end) {
        this.failures.push(new Error(`guilds have not moved: ${waitsFor().join('; ')}`));
        return;
      }
      await sleep(LOOK_MS);
    }
  }

  async #roll(previous: Promise<void>, pods: number, epoch: number): Promise<void> {
    await previous;
    const { cluster, undisturbed } = this.#options;
    // Pod 0 may have begun with a topology although the next one came at once: its pods must run until they have nothing.
    const isCurrent = (): boolean => this.#topology.epoch === epoch;
    const needed = this.#inForce ? cluster.gatewayPods.slice(0, pods) : [...cluster.gatewayPods];
    this.#inForce = false;
    const restarted: Pod[] = [];
    for (const pod of needed) {
      if (!isCurrent()) return;
      if (pod.running) restarted.unshift(pod);
      else await undisturbed(pod, async () => void (pod.running || pod.spawn()));
    }
    const others = cluster.gatewayPods.filter((pod) => !needed.includes(pod));
    for (const pod of [...others, ...restarted, ...cluster.httpPods]) {
      if (!isCurrent()) return;
      if (pod.running) await undisturbed(pod, () => this.#restart(pod));
    }
    while (isCurrent() && cluster.gatewayPods.some((pod) => pod.running && this.#unsettled(pod) !== null))
      await sleep(LOOK_MS);
    if (!isCurrent()) return;
    for (const pod of cluster.gatewayPods.slice(pods)) {
      if (pod.running) await undisturbed(pod, async () => void (await pod.stop()));
    }
    this.#inForce = true;
  }

  async #restart(pod: Pod): Promise<void> {
    if (!pod.running) return;
    const { code, signal } = await pod.stop();
    if (code !== 0) this.failures.push(new Error(`${pod.name} ended with ${signal ?? `code ${code}`} after SIGTERM`));
    pod.spawn();
    // A gateway pod may have to wait for others that are away; the next one does not wait for it for ever.
    await pod.ready(READY_MS).catch((error: Error) => this.#options.log(error.message));
  }

  /** What a pod still has to do under the newest topology, or null. */
  #unsettled(pod: Pod): string | null {
    try {
      return look(this.#options.cluster.databasePath(pod.ordinal as number), (database) => {
        const row = database.prepare('SELECT chain, recovering FROM guildway_moving').get();
        const chain = JSON.parse(String(row?.chain ?? '[]')) as { epoch: number }[];
        const epochs = chain.map(({ epoch }) => epoch).join(', ');
        if (epochs !== String(this.#topology.epoch)) return `${pod.name} has the topologies ${epochs}`;
        if (String(row?.recovering) !== '[]') return `${pod.name} asks ${row?.recovering}`;
        const left = database.prepare('SELECT count(*) AS n FROM guildway_leftovers').get();
        return left?.n === 0 ? null : `${pod.name} has rows of ${left?.n} guilds that have left`;
      });
    } catch (error) {
      return `${pod.name}: ${(error as Error).message}`;
    }
  }
}
