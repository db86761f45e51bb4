/** The staging system in kubectl's current Kubernetes cluster, deployed from `cluster/overlays/staging`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { parseAllDocuments } from 'yaml';
import type { Topology } from '../../../src/public-routing.ts';
import { command } from '../command.ts';
import { readStagingManifests, type StagingRouting, withRouting } from '../manifests.ts';
import { type Autoscaler, gatewayName, type Platform, until } from '../platform.ts';

const NAMESPACE = 'guildway-staging';
const HTTP = 'app.kubernetes.io/name=guildway,app.kubernetes.io/component=http';
const ROLLOUT_MS = 300_000;

type Say = (line: string) => void;

export interface KubernetesOptions {
  /** The folder cluster/overlays/staging, or an overlay based on it. */
  readonly overlay: string;
  /** Image references that the cluster can pull; undefined: the overlay's own. */
  readonly image: string | undefined;
  readonly testkitImage: string | undefined;
  readonly routing: StagingRouting;
}

export async function createKubernetesPlatform(options: KubernetesOptions, say: Say): Promise<Platform> {
  const context = (await command('kubectl', ['config', 'current-context']).catch(() => 'in the cluster')).trim();
  const { serverVersion } = JSON.parse(await command('kubectl', ['version', '--output', 'json'])) as {
    serverVersion: { gitVersion: string };
  };
  say(`kubectl's context: ${context}`);
  // kubectl renders the overlay. This run sets the images and the routing.
  const { image = 'localhost/guildway:staging', testkitImage = 'localhost/guildway-testkit:staging' } = options;
  const rendered = withRouting(await command('kubectl', ['kustomize', options.overlay]), options.routing)
    .replaceAll(/^( +image: )localhost\/guildway:staging$/gm, `$1${image}`)
    .replaceAll(/^( +image: )localhost\/guildway-testkit:staging$/gm, `$1${testkitImage}`);
  const { topology } = options.routing;
  return new KubernetesPlatform(`Kubernetes ${serverVersion.gitVersion}`, rendered, topology, await metricsMissing());
}

/** Whether gateway pods restore their databases from a backup: components/litestream. */
function hasBackup(rendered: string): boolean {
  return parseAllDocuments(rendered).some(
    (document) =>
      document.get('kind') === 'StatefulSet' &&
      JSON.stringify(document.getIn(['spec', 'template', 'spec', 'initContainers']) ?? []).includes('"restore"'),
  );
}

/** The fields of a HorizontalPodAutoscaler that this module reads. */
interface Hpa {
  readonly spec: { readonly metrics: readonly [{ containerResource: { target: { averageUtilization: number } } }] };
  readonly status: {
    readonly currentMetrics?: readonly { containerResource?: { current: { averageUtilization?: number } } }[];
  };
}

/** @returns the reason why the metrics API is missing, or null if it exists */
function metricsMissing(): Promise<string | null> {
  return command('kubectl', ['get', '--raw', '/apis/metrics.k8s.io/v1beta1/nodes']).then(
    () => null,
    (error: Error) => `the cluster has no metrics API; install metrics-server: ${error.message.split('\n').at(-1)}`,
  );
}

class KubernetesPlatform implements Platform {
  readonly description: string;
  readonly gatewayPods: number;
  readonly topology: Topology;
  readonly autoscaler: Autoscaler | { unavailable: string };
  readonly loseVolume: Platform['loseVolume'];
  readonly #rendered: string;
  #forward: ChildProcess | null = null;
  #driverPort = 0;

  constructor(description: string, rendered: string, topology: Topology, unavailable: string | null) {
    this.topology = topology;
    const { gatewayPods, httpPods } = readStagingManifests();
    this.description = description;
    this.#rendered = rendered;
    this.loseVolume = hasBackup(rendered)
      ? (ordinal) => this.#loseVolume(ordinal)
      : { unavailable: 'this overlay has no backup; see docs/kubernetes.md for one that does' };
    this.gatewayPods = gatewayPods;
    this.autoscaler =
      unavailable === null
        ? { release: () => this.#bindAutoscaler(httpPods.min, httpPods.max), status: () => this.#autoscalerStatus() }
        : { unavailable };
  }

  async deploy(): Promise<void> {
    await this.#removeEverything();
    await command('kubectl', ['apply', '--filename', '-'], { input: this.#rendered });
    await this.#kubectl('rollout', 'status', 'deployment/discord', '--timeout=300s');
    await this.#forwardDriver();
    await this.#kubectl('rollout', 'status', 'statefulset/gateway', '--timeout=300s');
    await this.#kubectl('rollout', 'status', 'deployment/http-service', '--timeout=300s');
    await this.#awaitHttpPods(2);
  }

  driverUrl(): string {
    return `http://127.0.0.1:${this.#driverPort}`;
  }

  async httpPods(): Promise<readonly string[]> {
    const path =
      '{range .items[?(@.status.phase=="Running")]}{.metadata.name} {.metadata.deletionTimestamp}{"\\n"}{end}';
    const lines = (await this.#kubectl('get', 'pods', '--selector', HTTP, '--output', `jsonpath=${path}`)).split('\n');
    return lines.flatMap((line) => {
      const [name, deleted] = line.split(' ');
      return name !== undefined && name !== '' && !deleted ? [name] : [];
    });
  }

  /** Sets both bounds of the autoscaler, which owns the number of pods, so that the CPU has no effect. */
  async scaleHttp(pods: number): Promise<void> {
    await this.#bindAutoscaler(pods, pods);
    await this.#awaitHttpPods(pods);
  }

  async restartHttp(): Promise<void> {
    await this.#kubectl('rollout', 'restart', 'deployment/http-service');
    await this.#kubectl('rollout', 'status', 'deployment/http-service', '--timeout=300s');
  }

  async restartGateways(): Promise<void> {
    await this.#kubectl('rollout', 'restart', 'statefulset/gateway');
    await this.#kubectl('rollout', 'status', 'statefulset/gateway', `--timeout=${ROLLOUT_MS / 1_000}s`);
  }

  async setGatewayPods(pods: number, epoch: number): Promise<void> {
    const replicas = await this.#kubectl('get', 'statefulset/gateway', '--output', 'jsonpath={.spec.replicas}');
    if (pods > Number(replicas)) await this.#scaleGateways(pods);
    // HTTP pods learn it from the gateway pods.
    const env = [`NUM_GATEWAY_PODS=${pods}`, `TOPOLOGY_EPOCH=${epoch}`];
    await this.#kubectl('set', 'env', 'statefulset/gateway', '--containers=gateway', ...env);
    await this.#kubectl('rollout', 'status', 'statefulset/gateway', `--timeout=${ROLLOUT_MS / 1_000}s`);
  }

  endGateways(from: number): Promise<void> {
    return this.#scaleGateways(from);
  }

  async killGateway(ordinal: number): Promise<void> {
    await this.#replace(ordinal, '--grace-period=0', '--force');
  }

  async moveGateways(ordinals: readonly number[]): Promise<{ ordinal: number; before: string; after: string }[]> {
    return Promise.all(
      ordinals.map(async (ordinal) => {
        const before = await this.#addressOf(ordinal);
        await this.#replace(ordinal);
        return { ordinal, before, after: await this.#addressOf(ordinal) };
      }),
    );
  }

  run(pod: string, script: string): Promise<string> {
    return this.#kubectl('exec', pod, '--', 'node', '--no-warnings', '-e', script);
  }

  logs(pod: string): Promise<string> {
    return this.#kubectl('logs', pod);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#forward?.kill();
    await this.#removeEverything();
  }

  async #scaleGateways(replicas: number): Promise<void> {
    await this.#kubectl('scale', 'statefulset/gateway', `--replicas=${replicas}`);
    await this.#kubectl('rollout', 'status', 'statefulset/gateway', `--timeout=${ROLLOUT_MS / 1_000}s`);
  }

  async #bindAutoscaler(minReplicas: number, maxReplicas: number): Promise<void> {
    const patch = JSON.stringify({ spec: { minReplicas, maxReplicas } });
    await this.#kubectl('patch', 'hpa/http-service', '--type=merge', '--patch', patch);
  }

  async #autoscalerStatus(): Promise<{ cpuPercent: number | null; targetPercent: number }> {
    const { spec, status } = JSON.parse(await this.#kubectl('get', 'hpa/http-service', '--output', 'json')) as Hpa;
    return {
      cpuPercent: status.currentMetrics?.[0]?.containerResource?.current.averageUtilization ?? null,
      targetPercent: spec.metrics[0].containerResource.target.averageUtilization,
    };
  }

  async #replace(ordinal: number, ...how: string[]): Promise<void> {
    const name = gatewayName(ordinal);
    const uid = await this.#uidOf(name);
    await this.#kubectl('delete', 'pod', name, '--wait=false', ...how);
    await until(`another ${name}`, ROLLOUT_MS, async () => (await this.#uidOf(name)) !== uid);
    await this.#kubectl('wait', `pod/${name}`, '--for=condition=Ready', `--timeout=${ROLLOUT_MS / 1_000}s`);
  }

  /** Deletes the volume claim with the pod. The new pod gets an empty volume. */
  async #loseVolume(ordinal: number): Promise<void> {
    await this.#kubectl('delete', 'pvc', `data-${gatewayName(ordinal)}`, '--wait=false');
    await this.#replace(ordinal);
  }

  async #uidOf(name: string): Promise<string> {
    return this.#kubectl('get', 'pod', name, '--output', 'jsonpath={.metadata.uid}');
  }

  async #addressOf(ordinal: number): Promise<string> {
    return this.#kubectl('get', 'pod', gatewayName(ordinal), '--output', 'jsonpath={.status.podIP}');
  }

  /** Waits until exactly this many HTTP pods are ready and no other is terminating. */
  async #awaitHttpPods(pods: number): Promise<void> {
    const path =
      '{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{.metadata.deletionTimestamp}{"\\n"}{end}';
    await until(`${pods} HTTP pods`, ROLLOUT_MS, async () => {
      const out = await this.#kubectl('get', 'pods', '--selector', HTTP, '--output', `jsonpath=${path}`);
      const states = out.split('\n').filter((line) => line !== '');
      return states.length === pods && states.every((state) => state === 'True');
    });
  }

  /** The driver's pod is never replaced, so one forwarded port lasts for the whole run. */
  async #forwardDriver(): Promise<void> {
    const args = ['--namespace', NAMESPACE, 'port-forward', 'deployment/discord', ':8091'];
    const child = spawn('kubectl', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#forward = child;
    this.#driverPort = await new Promise<number>((resolve, reject) => {
      child.stdout.on('data', (chunk: Buffer) => {
        const port = /Forwarding from 127\.0\.0\.1:(\d+)/.exec(chunk.toString())?.[1];
        if (port !== undefined) resolve(Number(port));
      });
      child.once('exit', (code) => reject(new Error(`kubectl port-forward ended with ${code}`)));
    });
  }

  /** Deletes the namespace with its volumes, so that a staging run starts empty. */
  async #removeEverything(): Promise<void> {
    await command('kubectl', ['delete', 'namespace', NAMESPACE, '--ignore-not-found', '--timeout=300s']);
  }

  #kubectl(...args: string[]): Promise<string> {
    return command('kubectl', ['--namespace', NAMESPACE, ...args]);
  }
}
