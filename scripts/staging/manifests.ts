/**
 * Reads the container specifications from `cluster/`, so that the staging run uses the limits, the environment and the grace periods
 * of the manifests. It reads the files directly and does not need kustomize.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseEnv } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { createTopology, type RoutingStrategy, type Topology } from '../../src/public-routing.ts';

const cluster = fileURLToPath(new URL('../../cluster/', import.meta.url));
const OVERLAY = 'overlays/staging';

/** The specification of a container. */
export interface ContainerSpec {
  readonly args: readonly string[];
  /** Without POD_NAME, which differs between pods. */
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

/** The settings of the staging overlay that `--routing` changes. */
export interface StagingRouting {
  readonly topology: Topology;
  /** Environment variables of every pod. */
  readonly env: Readonly<Record<string, string>>;
}

/** @returns the topology of the overlay's pods under a strategy; `discord-shard` has twice as many shards as pods */
export function stagingRouting(strategy: RoutingStrategy): StagingRouting {
  const pods = Number(readEnvFile('settings.env').NUM_GATEWAY_PODS);
  const shards = strategy === 'discord-shard' ? 2 * pods : undefined;
  return {
    topology: createTopology({ strategy, pods, shards }),
    env: { ROUTING: strategy, ...(shards === undefined ? {} : { DISCORD_SHARDS: String(shards) }) },
  };
}

/** Replaces the routing in the ConfigMaps of rendered manifests. */
export function withRouting(rendered: string, { env }: Pick<StagingRouting, 'env'>): string {
  return rendered.replaceAll(/^( +)ROUTING: .*$/gm, (_, indent: string) =>
    Object.entries(env)
      .map(([name, value]) => `${indent}${name}: "${value}"`)
      .join('\n'),
  );
}

export interface StagingManifests {
  /** The bounds of the autoscaler. */
  readonly httpPods: { readonly min: number; readonly max: number };
  readonly gatewayPods: number;
  readonly http: ContainerSpec;
  readonly gateway: ContainerSpec;
  readonly discord: ContainerSpec;
}

/** @param routing replaces the routing of the overlay's settings */
export function readStagingManifests({ env }: Pick<StagingRouting, 'env'> = { env: {} }): StagingManifests {
  const autoscaler = readManifests('base/http-service.yaml').find(({ kind }) => kind === 'HorizontalPodAutoscaler');
  return {
    httpPods: { min: autoscaler.spec.minReplicas, max: autoscaler.spec.maxReplicas },
    gatewayPods: Number(readEnvFile('settings.env').NUM_GATEWAY_PODS),
    http: withEnv(containerSpec('base/http-service.yaml', 'http', 'Deployment'), env),
    gateway: withEnv(containerSpec('base/gateway-service.yaml', 'gateway', 'StatefulSet'), env),
    discord: containerSpec(`${OVERLAY}/discord.yaml`, 'discord', 'Deployment'),
  };
}

const withEnv = (spec: ContainerSpec, env: ContainerSpec['env']): ContainerSpec => ({
  ...spec,
  env: { ...spec.env, ...env },
});

/** The arguments and configuration of Litestream's containers. */
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
