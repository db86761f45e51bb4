import assert from 'node:assert/strict';
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { findKustomize, type KubernetesObject, parseObjects, problemsOf, render } from '../../support/kubernetes.ts';

const cluster = fileURLToPath(new URL('../../../cluster/', import.meta.url));
const kustomize = findKustomize();
const skip =
  kustomize === undefined && process.env.GUILDWAY_REQUIRE_KUSTOMIZE === undefined
    ? 'needs kubectl or kustomize, version 5 or newer'
    : false;

/** Metrics that alerts may use beside the pods' own: those of Litestream 0.5.18 and the kubelet. */
const OTHER_METRICS = [
  ...['litestream_txid', 'litestream_sync_error_count', 'litestream_replica_operation_total'],
  ...['kubelet_volume_stats_available_bytes', 'kubelet_volume_stats_capacity_bytes'],
];

describe('cluster/', { skip }, () => {
  for (const overlay of ['staging', 'production']) {
    test(`${overlay} renders without a warning, and every object is valid`, async () => {
      const { objects, complaints } = render(kustomize as readonly string[], join(cluster, 'overlays', overlay));
      assert.equal(complaints, '');
      assert.ok(objects.length > 15);
      for (const object of objects) {
        assert.deepEqual(await problemsOf(object), [], `${object.kind} ${object.metadata.name}`);
      }
    });
  }

  test('an Ingress instead of the Gateway API', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'guildway-cluster-'));
    t.after(() => rmSync(folder, { recursive: true }));
    cpSync(cluster, folder, { recursive: true });
    const file = join(folder, 'overlays/production/kustomization.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace('components/gateway-api', 'components/ingress'));
    const { objects } = render(kustomize as readonly string[], join(folder, 'overlays/production'));
    const ingress = objects.find(({ kind }) => kind === 'Ingress');
    assert.ok(ingress !== undefined && !objects.some(({ kind }) => kind === 'HTTPRoute'));
    assert.deepEqual(await problemsOf(ingress), []);
  });

  test('the number of pods that run is apart from NUM_GATEWAY_PODS, so that no pod ends before it has given its guilds away', (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'guildway-cluster-'));
    t.after(() => rmSync(folder, { recursive: true }));
    cpSync(cluster, folder, { recursive: true });
    for (const overlay of ['staging', 'production']) {
      const file = join(folder, 'overlays', overlay, 'settings.env');
      const settings = readFileSync(file, 'utf8');
      writeFileSync(file, settings.replace(/^NUM_GATEWAY_PODS=.*$/m, 'NUM_GATEWAY_PODS=2'));
      const { objects } = render(kustomize as readonly string[], join(folder, 'overlays', overlay));
      const gateway = objects.find(({ kind }) => kind === 'StatefulSet');
      assert.equal(gateway?.spec.replicas, 3, overlay);
    }
  });
});

test('no kustomization uses a deprecated field', () => {
  const deprecated = ['bases', 'commonLabels', 'imageTags', 'patchesJson6902', 'patchesStrategicMerge', 'vars'];
  const files = globSync('**/kustomization.yaml', { cwd: cluster });
  assert.ok(files.length >= 7);
  for (const file of files) {
    const fields = Object.keys(parse(readFileSync(join(cluster, file), 'utf8')) as object);
    assert.deepEqual(
      fields.filter((field) => deprecated.includes(field)),
      [],
      file,
    );
  }
});

test('the schema check finds a misspelt field, a wrong type and a missing field', async () => {
  const [service] = parseObjects(`
apiVersion: v1
kind: Service
metadata: { name: x }
spec: { ports: [{ port: 80 }] }
`);
  assert.ok(service !== undefined);
  assert.deepEqual(await problemsOf(service), []);
  const broken = [
    { ports: [{ port: 80, targetport: 81 }] },
    { ports: [{ port: '80' }] },
    { ports: [{ name: 'http' }] },
    { sessionaffinity: 'None' },
  ];
  for (const spec of broken) {
    assert.equal((await problemsOf({ ...service, spec })).length, 1, JSON.stringify(spec));
  }
});

test('every metric in the alerts exists', () => {
  const [rule] = parseObjects(readFileSync(join(cluster, 'components/monitoring/prometheus-rule.yaml'), 'utf8')) as [
    KubernetesObject,
  ];
  const rules = (rule.spec.groups as { rules: { alert: string; expr: string }[] }[]).flatMap((group) => group.rules);
  assert.ok(rules.length > 8);
  const root = join(cluster, '..');
  const sources = globSync('src/**/*.ts', { cwd: root }).map((file) => readFileSync(join(root, file), 'utf8'));
  const defined = new Set(sources.flatMap((source) => source.match(/(?<=')guildway_[a-z_]+(?=')/g) ?? []));
  for (const { alert, expr } of rules) {
    const names = expr.match(/\b(?:guildway|litestream|kubelet)_[a-z_]+/g) ?? [];
    assert.ok(names.length > 0, `${alert} looks at no metric`);
    const ours = names.filter((name) => name.startsWith('guildway_'));
    const others = names.filter((name) => !name.startsWith('guildway_'));
    assert.deepEqual(
      others.filter((name) => !OTHER_METRICS.includes(name)),
      [],
      alert,
    );
    // A histogram called x has series called x_bucket.
    const unknown = ours.filter((name) => !defined.has(name) && !defined.has(name.replace(/_(bucket|sum|count)$/, '')));
    assert.deepEqual(unknown, [], alert);
  }
});
