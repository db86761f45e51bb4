/**
 * Reads from `cluster/` what a container of each kind is started with, so that the containers of the staging run have the limits,
 * the environment and the grace periods of the manifests. It reads the files themselves: kustomize is not needed.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseEnv } from 'node:util';
import { parseAllDocuments } from 'yaml';

const cluster = fileURLToPath(new URL('../../cluster/', import.meta.url));
const OVERLAY = 'overlays/staging';

/** What one container is started with. */
export interface ContainerSpec {
  readonly args: readonly string[];
  /** Without POD_NAME, which differs from pod to pod. */
  readonly env: Readonly<Record<string, string>>;
  readonly memory: string;
  readonly user: number;
  /** Paths of the volume claim and of the temporary volumes with their sizes. */
  readonly dataPath: string | null;
  readonly temporary: Readonly<Record<string, string>>;
  readonly preStopSeconds: number;
  readonly graceSeconds: number;
}

// biome-ignore lint/suspicious/noExplicitAny: the tests of the manifests check their shape
type Manifest = any;

function readManifests(file: string): Manifest[] {
  return parseAllDocuments(readFileSync(join(cluster, file), 'utf8'), { merge: true }).map((document) =>
    document.toJS(),
  );
}

function readEnvFile(file: string): Record<string, string> {
  return parseEnv(readFileSync(join(cluster, OVERLAY, file), 'utf8')) as Record<string, string>;
}

/** The contents of the generated ConfigMaps and Secrets of the staging overlay, by name. */
function readGenerated(): Map<string, Record<string, string>> {
  const [kustomization] = readManifests(`${OVERLAY}/kustomization.yaml`);
  const generators = [...kustomization.configMapGenerator, ...kustomization.secretGenerator] as Manifest[];
  return new Map(generators.map(({ name, envs }) => [name, Object.assign({}, ...envs.map(readEnvFile))]));
}

function containerSpec(file: string, containerName: string, kind: 'Deployment' | 'StatefulSet'): ContainerSpec {
  const generated = readGenerated();
  const { spec } = readManifests(file).find((manifest) => manifest.kind === kind);
  const pod = spec.template.spec;
  const container = pod.containers.find(({ name }: Manifest) => name === containerName);
  const env: Record<string, string> = {};
  for (const { configMapRef, secretRef } of container.envFrom ?? []) {
    Object.assign(env, generated.get((configMapRef ?? secretRef).name));
  }
  for (const { name, value, valueFrom } of container.env ?? []) {
    const referred = generated.get(valueFrom?.secretKeyRef?.name)?.[valueFrom.secretKeyRef.key];
    const actual = value ?? referred;
    if (actual !== undefined) env[name] = actual;
  }
  const claims = (spec.volumeClaimTemplates ?? []).map(({ metadata }: Manifest) => metadata.name);
  const mounts = (container.volumeMounts ?? []) as { name: string; mountPath: string }[];
  const temporary = mounts.filter(({ name }) => !claims.includes(name));
  return {
    args: container.args ?? [],
    env,
    memory: container.resources.limits.memory,
    user: pod.securityContext.runAsUser,
    dataPath: mounts.find(({ name }) => claims.includes(name))?.mountPath ?? null,
    temporary: Object.fromEntries(
      temporary.map(({ name, mountPath }) => [
        mountPath,
        pod.volumes.find((volume: Manifest) => volume.name === name)?.emptyDir?.sizeLimit ?? '64Mi',
      ]),
    ),
    preStopSeconds: container.lifecycle?.preStop?.sleep?.seconds ?? 0,
    graceSeconds: pod.terminationGracePeriodSeconds,
  };
}

export interface StagingManifests {
  /** The bounds of the autoscaler. */
  readonly httpPods: { readonly min: number; readonly max: number };
  readonly gatewayPods: number;
  readonly http: ContainerSpec;
  readonly gateway: ContainerSpec;
  readonly discord: ContainerSpec;
}

export function readStagingManifests(): StagingManifests {
  const autoscaler = readManifests('base/http-service.yaml').find(({ kind }) => kind === 'HorizontalPodAutoscaler');
  return {
    httpPods: { min: autoscaler.spec.minReplicas, max: autoscaler.spec.maxReplicas },
    gatewayPods: Number(readEnvFile('settings.env').NUM_GATEWAY_PODS),
    http: containerSpec('base/http-service.yaml', 'http', 'Deployment'),
    gateway: containerSpec('base/gateway-service.yaml', 'gateway', 'StatefulSet'),
    discord: containerSpec(`${OVERLAY}/discord.yaml`, 'discord', 'Deployment'),
  };
}

/** What Litestream's containers are started with. */
export function readLitestream(): { restoreArgs: string[]; replicateArgs: string[]; configFile: string } {
  const [{ spec }] = readManifests('components/litestream/gateway.yaml') as [Manifest];
  const argsOf = (name: string): string[] =>
    spec.template.spec.initContainers.find((container: Manifest) => container.name === name).args;
  return {
    restoreArgs: argsOf('restore'),
    replicateArgs: argsOf('litestream'),
    configFile: join(cluster, 'components/litestream/litestream.yml'),
  };
}
