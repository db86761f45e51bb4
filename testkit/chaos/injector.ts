import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, Pod } from '../cluster/index.ts';
import type { FaultNetwork } from '../faults/network.ts';
import { describeFault, type Fault, type PodRef } from './schedule.ts';

/** The interval of a fault, on the clock of `performance.now()`. `pod` is null for a fault that affects no single pod. */
export interface Disturbance {
  readonly pod: PodRef | null;
  readonly from: number;
  until: number;
}

export interface InjectorOptions {
  readonly cluster: Cluster;
  readonly network: FaultNetwork;
  readonly log: (line: string) => void;
}

const READY_MS = 60_000;

/** Injects a schedule of faults into a cluster and undoes all of them at the end. */
export class FaultInjector {
  /** Every fault so far, to identify requests that no fault affected. */
  readonly disturbances: Disturbance[] = [];
  /** Pods that failed by themselves, such as one that did not restart. */
  readonly failures: Error[] = [];
  readonly #options: InjectorOptions;
  readonly #stopped = new AbortController();
  readonly #running = new Set<Promise<void>>();
  /** Pods with a fault in progress. */
  readonly #busy = new Set<Pod>();

  constructor(options: InjectorOptions) {
    this.#options = options;
  }

  /** Resolves when the last fault has begun or `heal` is called. */
  async run(faults: readonly Fault[]): Promise<void> {
    const startedAt = performance.now();
    for (const fault of faults) {
      await this.#sleep(fault.atMs - (performance.now() - startedAt));
      if (this.#stopped.signal.aborted) return;
      this.#begin(fault);
    }
  }

  /** Ends every fault immediately. Resolves when all pods are ready again. */
  async heal(): Promise<void> {
    this.#stopped.abort();
    await Promise.all(this.#running);
    await this.#options.network.heal();
  }

  #begin(fault: Fault): void {
    const pod = 'pod' in fault ? this.#podOf(fault.pod) : null;
    // A gateway pod that the cluster does not have at present.
    if (pod === undefined) return;
    const touchesProcess = fault.kind === 'kill' || fault.kind === 'stop' || fault.kind === 'restart';
    if (touchesProcess && pod !== null && (this.#busy.has(pod) || !pod.running)) return;
    this.#options.log(describeFault(fault));
    const disturbance: Disturbance = {
      pod: 'pod' in fault ? fault.pod : null,
      from: performance.now(),
      until: Number.POSITIVE_INFINITY,
    };
    this.disturbances.push(disturbance);
    if (touchesProcess && pod !== null) this.#busy.add(pod);
    const work = this.#carryOut(fault, pod)
      .catch((error: Error) => {
        this.failures.push(error);
        this.#options.log(error.message);
      })
      .finally(() => {
        disturbance.until = performance.now();
        if (touchesProcess && pod !== null) this.#busy.delete(pod);
        this.#running.delete(work);
      });
    this.#running.add(work);
  }

  async #carryOut(fault: Fault, pod: Pod | null): Promise<void> {
    const { network, cluster } = this.#options;
    if (fault.kind === 'session') {
      const { gateway } = cluster.simulator as NonNullable<Cluster['simulator']>;
      if (fault.how === 'socket') gateway.dropSocket();
      else if (fault.how === 'reconnect') gateway.reconnect();
      else gateway.close({}, 4000);
      return;
    }
    const target = pod as Pod;
    switch (fault.kind) {
      case 'kill':
        await target.kill('SIGKILL');
        await this.#sleep(fault.durationMs);
        target.spawn();
        return target.ready(READY_MS);
      case 'stop':
        target.pause();
        await this.#sleep(fault.durationMs);
        target.resume();
        return target.ready(READY_MS);
      case 'restart':
        return restartInOrder(cluster, target, READY_MS);
      case 'cut':
        await network.set(fault.pod.index, fault.mode, fault.from);
        await this.#sleep(fault.durationMs);
        return network.set(fault.pod.index, 'pass', fault.from);
    }
  }

  #podOf({ type, index }: PodRef): Pod | undefined {
    const { httpPods, gatewayPods } = this.#options.cluster;
    return (type === 'http' ? httpPods : gatewayPods)[index];
  }

  /** Does something with a pod while no fault has its process. */
  async undisturbed(pod: Pod, work: () => Promise<void>): Promise<void> {
    while (this.#busy.has(pod)) await sleep(50);
    this.#busy.add(pod);
    try {
      await work();
    } finally {
      this.#busy.delete(pod);
    }
  }

  /** Ends early when `heal` is called. */
  async #sleep(ms: number): Promise<void> {
    await sleep(Math.max(0, ms), undefined, { signal: this.#stopped.signal }).catch(() => {});
  }
}

/**
 * Restarts a pod with SIGTERM, like a rolling update: an HTTP pod first stops receiving new connections.
 * @throws if the pod does not exit with code 0, or is not ready again in time
 */
export async function restartInOrder(cluster: Cluster, pod: Pod, readyMs: number): Promise<void> {
  const { httpPods } = cluster;
  const isHttp = pod.ordinal === null;
  if (isHttp) cluster.rotate(httpPods.filter((other) => other !== pod));
  const { code, signal } = await pod.stop();
  if (code !== 0) throw new Error(`${pod.name} ended with ${signal ?? `code ${code}`} after SIGTERM`);
  pod.spawn();
  await pod.ready(readyMs);
  if (isHttp) cluster.rotate(httpPods);
}
