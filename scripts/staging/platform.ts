import type { Topology } from '../../src/public-routing.ts';

/** The interface of the staging run to Podman, Docker or a Kubernetes cluster. */
export interface Platform extends AsyncDisposable {
  /** A description for the report, such as `podman 4.3.1, runc`. */
  readonly description: string;
  /** NUM_GATEWAY_PODS of the staging overlay. */
  readonly gatewayPods: number;
  /** Tells which gateway pod owns a guild. */
  readonly topology: Topology;
  /** Deploys everything. Resolves when all pods are ready. */
  deploy(): Promise<void>;
  /** The URL of the driver's control port for this machine. */
  driverUrl(): string;
  /** The names of the HTTP pods that currently get requests. */
  httpPods(): Promise<readonly string[]>;
  /** Resolves when exactly `pods` HTTP pods are ready and no other is terminating. The autoscaler does not change that number. */
  scaleHttp(pods: number): Promise<void>;
  /** The autoscaler, or the reason why this platform has none. */
  readonly autoscaler: Autoscaler | { unavailable: string };
  /** A rolling update of all HTTP pods. No pod is removed before its replacement is ready. */
  restartHttp(): Promise<void>;
  /** A rolling update of all gateway pods, one at a time, in the StatefulSet's order: the highest ordinal first. */
  restartGateways(): Promise<void>;
  /**
   * Gives every gateway pod another NUM_GATEWAY_PODS and TOPOLOGY_EPOCH, one after the other. Pods that are added start before that. Resolves when
   * all are ready; guilds may still move.
   */
  setGatewayPods(pods: number, epoch: number): Promise<void>;
  /** Ends the gateway pods from this ordinal on. Their volumes stay. */
  endGateways(from: number): Promise<void>;
  /** Kills a gateway pod abruptly and restarts it with its volume. Resolves when it is ready. */
  killGateway(ordinal: number): Promise<void>;
  /** Replaces gateway pods so that their addresses change. @returns each pod's address before and after */
  moveGateways(ordinals: readonly number[]): Promise<readonly { ordinal: number; before: string; after: string }[]>;
  /**
   * Kills a gateway pod, removes its volume, and restores it from the backup.
   * Without a backup, the reason why this platform has none.
   */
  readonly loseVolume: ((ordinal: number) => Promise<void>) | { unavailable: string };
  /** Runs a script in a pod's container with the pod's Node. @returns its output */
  run(pod: string, script: string): Promise<string>;
  /** The log of a pod. */
  logs(pod: string): Promise<string>;
}

export interface Autoscaler {
  /** Lets the autoscaler set the number of HTTP pods, within the bounds of the manifests. */
  release(): Promise<void>;
  /** The CPU usage of HTTP pods in percent of their requests; null while unknown. */
  status(): Promise<{ readonly cpuPercent: number | null; readonly targetPercent: number }>;
}

export const gatewayName = (ordinal: number): string => `gateway-${ordinal}`;

/** Polls until `check` is true. @throws Error that names `what` after the timeout */
export async function until(what: string, timeoutMs: number, check: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let last = '';
  while (performance.now() < deadline) {
    try {
      if (await check()) return;
    } catch (error) {
      last = ` (${(error as Error).message})`;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`${what}: not after ${timeoutMs / 1000} s${last}`);
}
