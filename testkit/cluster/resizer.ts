import { setTimeout as delay } from 'node:timers/promises';
import type { Pods } from '../../src/cli/pods.ts';
import { type MoveProgress, progressOf } from '../../src/cli/progress.ts';
import { createTopology, type Topology } from '../../src/public-routing.ts';
import type { Pod } from './pod.ts';

export interface ResizerOptions {
  /** Of the pods that run. */
  readonly topology: Topology;
  /** By ordinal; the resizer adds and removes pods. */
  readonly gatewayPods: Pod[];
  readonly httpPods: readonly Pod[];
  /** Makes a pod that has not run yet; its topology is that of the others. */
  readonly newGatewayPod: (ordinal: number) => Pod;
  readonly mostPods: number;
}

const LOOK_MS = 100;

/** Changes the number of gateway pods of the local cluster while everything runs, in the order that every platform needs. */
export class Resizer {
  readonly #options: ResizerOptions;
  #topology: Topology;
  #target: number;
  #running: Promise<void> | null = null;
  #progress: MoveProgress | null = null;
  #stopped = false;

  constructor(options: ResizerOptions) {
    this.#options = options;
    this.#topology = options.topology;
    this.#target = options.topology.pods;
  }

  /** The newest topology. */
  get topology(): Topology {
    return this.#topology;
  }

  /** The number of gateway pods during a change, and after it. */
  get target(): number {
    return this.#target;
  }

  /** Null: no guild moves, as far as is known. */
  get progress(): MoveProgress | null {
    return this.#progress;
  }

  get mostPods(): number {
    return this.#options.mostPods;
  }

  get isRunning(): boolean {
    return this.#running !== null;
  }

  /**
   * Resolves when every guild is at its owner and the pods that are not needed have ended.
   * @throws RangeError for a number that is not allowed; Error if a pod does not become ready
   */
  resize(pods: number): Promise<void> {
    const { mostPods } = this.#options;
    const { shards } = this.#topology;
    if (this.#running !== null) throw new RangeError('the number of gateway pods is being changed: wait for the end');
    if (!Number.isInteger(pods) || pods < 1 || pods > mostPods) {
      throw new RangeError(`${pods} gateway pods: this cluster can have 1 to ${mostPods}`);
    }
    if (shards !== null && pods > shards) {
      throw new RangeError(`${pods} gateway pods: there are only ${shards} shards, and every pod needs one`);
    }
    this.#target = pods;
    this.#running = this.#resize(pods).finally(() => this.#end());
    return this.#running;
  }

  /** Ends the wait of a change that is under way. */
  stop(): void {
    this.#stopped = true;
  }

  /** As after {@link resize}, for a cluster that has started under another topology than that of its rows. */
  settleLater(): void {
    this.#running = this.#settle().finally(() => this.#end());
  }

  /** Waits until no guild moves, then ends the pods that the topology does not have. */
  async #settle(): Promise<void> {
    const { gatewayPods, httpPods } = this.#options;
    const { epoch, pods } = this.#topology;
    while (!this.#stopped) {
      const state = await httpPods[0]?.admin<Pods>('/pods').catch(() => null);
      this.#progress = state ? progressOf(state) : this.#progress;
      // When the pods of the newest topology say that it is in force, every other pod has given its guilds away.
      const inForce = Object.values(state?.answers ?? {}).filter(
        ({ pod, moving }) => pod < pods && moving?.topologies.length === 1 && moving.topologies[0]?.epoch === epoch,
      );
      if (inForce.length === pods) {
        await Promise.all(gatewayPods.splice(pods).map((pod) => pod.stop()));
        return;
      }
      await delay(LOOK_MS);
    }
  }

  #end(): void {
    this.#running = null;
    this.#progress = null;
  }

  async #resize(count: number): Promise<void> {
    const { gatewayPods, httpPods, newGatewayPod } = this.#options;
    const { strategy, pods, shards, epoch } = this.#topology;
    if (count === pods) return;
    // First the new pods, under the old number: they join, and have no guilds.
    const added: Pod[] = [];
    for (let ordinal = gatewayPods.length; ordinal < count; ordinal++) added.push(newGatewayPod(ordinal));
    gatewayPods.push(...added);
    await Promise.all(added.map((pod) => pod.start()));
    // Then the number. Pod 0 decides about it and tells the others; they have it for their next start.
    this.#topology = createTopology({
      strategy,
      pods: count,
      epoch: epoch + 1,
      ...(shards === null ? {} : { shards }),
    });
    for (const { env } of [...gatewayPods, ...httpPods]) {
      env.NUM_GATEWAY_PODS = String(count);
      env.TOPOLOGY_EPOCH = String(epoch + 1);
    }
    await gatewayPods[0]?.restart();
    await this.#settle();
  }
}
