/** The optional components fit the base: Litestream beside each gateway pod, and Prometheus' targets. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { OVERLAYS, type Part, readOverlay, skip } from '../../support/overlay.ts';

for (const overlay of OVERLAYS) {
  describe(`${overlay} overlay`, { skip }, () => {
    const { all, one, workloads, pod, containers, environment, gatewayEnvironment } = readOverlay(overlay);

    test('Prometheus finds its targets', () => {
      for (const { spec } of all('PodMonitor')) {
        const names = workloads()
          .filter((workload) =>
            Object.entries(spec.selector.matchLabels).every(
              ([key, value]) => workload.spec.template.metadata.labels[key] === value,
            ),
          )
          .flatMap(containers)
          .flatMap(({ ports }) => (ports ?? []).map(({ name }: Part) => name));
        for (const { port } of spec.podMetricsEndpoints) assert.ok(names.includes(port), port);
      }
    });

    test('Litestream restores only onto an empty volume, starts before the pod, and ends after it', (t) => {
      if (overlay !== 'production') return t.skip('only production has backups');
      const set = one('StatefulSet', 'gateway');
      assert.deepEqual(
        pod(set).initContainers.map(({ name }: Part) => name),
        ['restore', 'litestream'],
      );
      const [restore, litestream] = pod(set).initContainers;
      for (const option of ['-if-db-not-exists', '-if-replica-exists'])
        assert.ok(restore.args.includes(option), option);
      assert.equal(restore.args.at(-1), gatewayEnvironment('gateway-0').DATABASE_PATH);
      assert.equal(restore.restartPolicy, undefined, 'the pod waits for it');
      assert.equal(litestream.restartPolicy, 'Always', 'a sidecar');
      const { dbs, addr, snapshot } = parse(one('ConfigMap', 'guildway-litestream').data['litestream.yml']);
      assert.deepEqual(
        dbs.map(({ path }: Part) => path),
        [gatewayEnvironment('gateway-0').DATABASE_PATH],
      );
      // Two pods that write one replica would destroy it.
      assert.match(dbs[0].replica.path, /\$\{POD_NAME\}/);
      assert.equal(environment(litestream, 'gateway-2').POD_NAME, 'gateway-2');
      assert.equal(addr, `:${litestream.ports[0].containerPort}`);
      assert.equal(snapshot.interval, '1h');
      // A new volume belongs to root.
      assert.equal(pod(set).securityContext.fsGroup, pod(set).securityContext.runAsGroup);
    });
  });
}
