/** A rendered overlay with the queries of the manifest tests. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findKustomize, type KubernetesObject, render } from './kubernetes.ts';

export const OVERLAYS = ['staging', 'production'] as const;
const folder = fileURLToPath(new URL('../../cluster/overlays/', import.meta.url));
const kustomize = findKustomize();

/** The reason for skipping tests that render on this machine, or false. */
export const skip =
  kustomize === undefined && process.env.GUILDWAY_REQUIRE_KUSTOMIZE === undefined
    ? 'needs kubectl or kustomize, version 5 or newer'
    : false;

// biome-ignore lint/suspicious/noExplicitAny: a part of a manifest, whose shape cluster-render.test.ts checks
export type Part = any;

/** Values for the placeholders of the production overlay. */
export const FILLED_IN = { DISCORD_APP_ID: '1', DISCORD_PUBLIC_KEY: 'a'.repeat(64), LINK_SECRET: 'x'.repeat(64) };

/** Rendered on first use. */
export function readOverlay(overlay: (typeof OVERLAYS)[number]) {
  let rendered: KubernetesObject[] | null = null;
  const objects = (): readonly KubernetesObject[] => {
    rendered ??= render(kustomize as readonly string[], join(folder, overlay)).objects;
    return rendered;
  };
  const all = (kind: string) => objects().filter((object) => object.kind === kind);
  const one = (kind: string, name: string): KubernetesObject => {
    // Generated names end in a hash of the content.
    const found = all(kind).find(({ metadata }) => metadata.name.replace(/-[a-z0-9]{10}$/, '') === name);
    assert.ok(found !== undefined, `no ${kind} ${name}`);
    return found;
  };
  const workloads = () => [...all('Deployment'), ...all('StatefulSet')];
  const pod = (workload: KubernetesObject): Part => workload.spec.template.spec;
  const containers = (workload: KubernetesObject): Part[] => [
    ...(pod(workload).initContainers ?? []),
    ...pod(workload).containers,
  ];
  const container = (workload: KubernetesObject, name: string): Part => {
    const found = containers(workload).find((one) => one.name === name);
    assert.ok(found !== undefined, `no container ${name}`);
    return found;
  };
  const settings = (): Record<string, string> => one('ConfigMap', 'guildway-settings').data;

  /** The environment of a container. */
  function environment(part: Part, podName: string): Record<string, string> {
    const env: Record<string, string> = {};
    for (const { configMapRef, secretRef } of part.envFrom ?? []) {
      const source = all(configMapRef ? 'ConfigMap' : 'Secret').find(
        ({ metadata }) => metadata.name === (configMapRef ?? secretRef).name,
      );
      for (const [key, value] of Object.entries(source?.data ?? {})) {
        env[key] = configMapRef ? String(value) : Buffer.from(String(value), 'base64').toString();
      }
    }
    for (const { name, value, valueFrom } of part.env ?? []) {
      if (value !== undefined) env[name] = value;
      else if (valueFrom.fieldRef?.fieldPath === 'metadata.name') env[name] = podName;
      else {
        const { name: secretName, key, optional } = valueFrom.secretKeyRef;
        const secret = all('Secret').find(({ metadata }) => metadata.name === secretName);
        assert.ok(secret !== undefined || optional, `${name}: no Secret ${secretName}`);
        if (secret !== undefined) env[name] = Buffer.from(secret.data[key], 'base64').toString();
      }
    }
    return env;
  }
  const httpEnvironment = () => environment(container(one('Deployment', 'http-service'), 'http'), 'http-service-1');
  const gatewayEnvironment = (name: string) => environment(container(one('StatefulSet', 'gateway'), 'gateway'), name);

  return {
    ...{ objects, all, one, workloads, pod, containers, container },
    ...{ settings, environment, httpEnvironment, gatewayEnvironment },
  };
}
