import type { Topology } from '../../src/public-routing.ts';

/** What the staging run needs from whatever runs its containers: Podman, Docker, or a Kubernetes cluster. */
export interface Platform extends AsyncDisposable {
  /** For the report, for example `podman 4.3.1, runc`. */
  readonly description: string;
  /** NUM_GATEWAY_PODS of the staging overlay. */
  readonly gatewayPods: number;
  /** Says which of them owns a guild. */
  readonly topology: Topology;
  /** Brings up everything and resolves when all pods are ready. */
  deploy(): Promise<void>;
  /** Where the driver's control port is reached from here. */
  driverUrl(): string;
  /** Names of the HTTP pods that get requests now. */
  httpPods(): Promise<readonly string[]>;
  /** Resolves when as many HTTP pods are ready as asked for, and none is ending. No autoscaler changes that number. */
  scaleHttp(pods: number): Promise<void>;
  /** What adds and removes HTTP pods by the CPU that they use, or why nothing does here. */
  readonly autoscaler: Autoscaler | { unavailable: string };
  /** A rolling update of all HTTP pods: none is taken away before its replacement is ready. */
  restartHttp(): Promise<void>;
  /** A rolling update of all gateway pods, one at a time, in the StatefulSet's order: the highest ordinal first. */
  restartGateways(): Promise<void>;
  /** Kills a gateway pod without warning and brings it back with its volume. Resolves when it is ready. */
  killGateway(ordinal: number): Promise<void>;
  /** Replaces gateway pods so that they come back under other addresses. @returns each pod's address before and after */
  moveGateways(ordinals: readonly number[]): Promise<readonly { ordinal: number; before: string; after: string }[]>;
  /**
   * Kills a gateway pod, removes its volume, and lets it come back from the backup.
   * Null where there is no backup: then the reason is said.
   */
  readonly loseVolume: ((ordinal: number) => Promise<void>) | { unavailable: string };
  /** Runs a script in a pod's container, with the pod's own Node. @returns what it prints */
  run(pod: string, script: string): Promise<string>;
  /** What a pod has logged. */
  logs(pod: string): Promise<string>;
}

export interface Autoscaler {
  /** From now on it decides the number of HTTP pods, within the bounds of the manifests. */
  release(): Promise<void>;
  /** The CPU that HTTP pods use, in percent of what they request; null while it is not known. */
  status(): Promise<{ readonly cpuPercent: number | null; readonly targetPercent: number }>;
}

export const gatewayName = (ordinal: number): string => `gateway-${ordinal}`;

/** Polls until `check` is true. @throws Error that says what was waited for */
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
