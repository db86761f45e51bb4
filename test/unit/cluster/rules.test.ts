/** What no schema covers: the manifests agree with each other and with the code. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { Registry } from 'prom-client';
import { guildwayEnvironment } from '../../../bench/peers/node-peers.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { VARIABLES } from '../../../src/config/variables.ts';
import { startAdminServer } from '../../../src/observability/admin-server.ts';
import { createLogger } from '../../../src/observability/log.ts';
import { createTopology, getGatewayUrl } from '../../../src/public-routing.ts';
import { FILLED_IN, OVERLAYS, type Part, readOverlay, skip } from '../../support/overlay.ts';

for (const overlay of OVERLAYS) {
  describe(`${overlay} overlay`, { skip }, () => {
    const {
      all,
      one,
      workloads,
      pod,
      containers,
      container,
      settings,
      environment,
      httpEnvironment,
      gatewayEnvironment,
    } = readOverlay(overlay);

    test('as many gateway pods run as NUM_GATEWAY_PODS says, and the epoch is beside it', () => {
      assert.equal(one('StatefulSet', 'gateway').spec.replicas, Number(settings().NUM_GATEWAY_PODS));
      assert.equal(settings().TOPOLOGY_EPOCH, '1');
    });

    test('the pods have the names and ports that getGatewayUrl computes', () => {
      const set = one('StatefulSet', 'gateway');
      const service = one('Service', 'gateway-internal');
      const [port] = service.spec.ports;
      // 102860784329052160 belongs to pod 1 of 3.
      assert.equal(
        `http://${set.metadata.name}-1.${service.metadata.name}:${port.port}`,
        getGatewayUrl('102860784329052160', 3),
      );
      assert.equal(settings().GATEWAY_URL_TEMPLATE, undefined, 'the default is right: do not set another');
      assert.equal(set.spec.serviceName, service.metadata.name);
      // A headless Service does not translate ports.
      const target = container(set, 'gateway').ports.find(({ name }: Part) => name === port.targetPort);
      assert.equal(target.containerPort, port.port);
      assert.equal(service.spec.clusterIP, 'None');
      assert.equal(service.spec.publishNotReadyAddresses, true);
      assert.deepEqual(service.spec.selector, set.spec.selector.matchLabels);
    });

    test('the service accepts the configuration of every pod', () => {
      const known = [...Object.values(VARIABLES).map(({ name }) => name), 'NODE_OPTIONS', 'MALLOC_MMAP_THRESHOLD_'];
      for (const env of [httpEnvironment(), gatewayEnvironment('gateway-0'), gatewayEnvironment('gateway-2')]) {
        // MODBOT_ belongs to the bot.
        const unknown = Object.keys(env).filter((name) => !known.includes(name) && !name.startsWith('MODBOT_'));
        assert.deepEqual(unknown, []);
        loadConfig(overlay === 'production' ? { ...env, ...FILLED_IN } : env);
        if (overlay === 'production') {
          // Placeholders cannot run by accident, least of all a publicly known link secret.
          assert.throws(() => loadConfig(env), { code: 'CONFIG_INVALID' });
          assert.throws(() => loadConfig({ ...env, ...FILLED_IN, LINK_SECRET: env.LINK_SECRET }), /LINK_SECRET/);
        }
      }
      assert.equal(loadConfig({ ...httpEnvironment(), ...FILLED_IN }).serviceMode, 'http');
      const { serviceMode, ordinal, databasePath } = loadConfig({ ...gatewayEnvironment('gateway-2'), ...FILLED_IN });
      assert.deepEqual([serviceMode, ordinal, databasePath], ['gateway', 2, '/data/guildway.sqlite3']);
    });

    test('the probes use the endpoints of the admin port', async (t) => {
      const log = createLogger({ logLevel: 'silent', name: 'test', serviceMode: 'http' });
      const readiness = () => ({ ready: true, reasons: [] });
      const admin = await startAdminServer({
        port: 0,
        host: '127.0.0.1',
        hostNames: [],
        registry: new Registry(),
        readiness,
        log,
      });
      t.after(() => admin.close());
      for (const [workload, name] of [
        [one('Deployment', 'http-service'), 'http'],
        [one('StatefulSet', 'gateway'), 'gateway'],
      ] as const) {
        const part = container(workload, name);
        const adminPort = part.ports.find(({ name }: Part) => name === 'admin').containerPort;
        assert.equal(String(adminPort), VARIABLES.adminPort.fallback);
        assert.equal(
          String(part.ports.find(({ name }: Part) => name === 'http').containerPort),
          VARIABLES.port.fallback,
        );
        for (const probe of [part.startupProbe, part.livenessProbe, part.readinessProbe]) {
          assert.equal(probe.httpGet.port, 'admin');
          assert.equal((await fetch(`http://127.0.0.1:${admin.port}${probe.httpGet.path}`)).status, 200);
        }
        // An absent database or neighbour must not get a pod killed, neither while it runs nor while it starts.
        assert.equal(part.livenessProbe.httpGet.path, '/healthz');
        assert.equal(part.startupProbe.httpGet.path, '/healthz');
        assert.equal(part.readinessProbe.httpGet.path, '/readyz');
        assert.ok(part.livenessProbe.periodSeconds * part.livenessProbe.failureThreshold >= 60);
      }
    });

    test('the grace period covers preStop and drain, with time to spare', () => {
      for (const [workload, name] of [
        [one('Deployment', 'http-service'), 'http'],
        [one('StatefulSet', 'gateway'), 'gateway'],
      ] as const) {
        const part = container(workload, name);
        const preStop = part.lifecycle?.preStop?.sleep?.seconds ?? 0;
        const { drainTimeoutMs, drainDelayMs, idleDrainMs } = loadConfig({
          ...environment(part, 'gateway-0'),
          ...FILLED_IN,
        });
        assert.ok(idleDrainMs <= drainTimeoutMs / 2, 'what is in flight has time, too');
        const litestream = containers(workload).some((one) => one.name === 'litestream')
          ? Number(
              /shutdown-sync-timeout: (\d+)s/.exec(one('ConfigMap', 'guildway-litestream').data['litestream.yml'])?.[1],
            )
          : 0;
        const needed = preStop + (drainDelayMs + drainTimeoutMs) / 1000 + litestream;
        assert.ok(pod(workload).terminationGracePeriodSeconds >= needed + 5, `${name}: ${needed} s are needed`);
      }
    });

    test("Node's heap fits the memory limit", () => {
      for (const part of workloads().flatMap(containers)) {
        if (part.name !== 'http' && part.name !== 'gateway') continue;
        const { NODE_OPTIONS = '' } = environment(part, 'gateway-0');
        // An option that this Node does not know ends the process without a message.
        execFileSync(process.execPath, ['--eval', ''], { env: { NODE_OPTIONS } });
        const heapMiB = Number(/--max-old-space-size=(\d+)/.exec(NODE_OPTIONS)?.[1]);
        const limitMiB = Number(/^(\d+)Mi$/.exec(part.resources.limits.memory)?.[1]);
        assert.ok(heapMiB >= 128 && heapMiB <= 0.65 * limitMiB, `${part.name}: ${heapMiB} of ${limitMiB} MiB`);
      }
    });

    test("an HTTP pod has the bench's Node options", () => {
      const topology = createTopology({ strategy: 'md5', pods: 1 });
      const context = { port: 1, pods: [1], topology, linkSecret: '', publicKey: '', folder: '', cache: '' };
      const benched = guildwayEnvironment(context, 'link').NODE_OPTIONS ?? '';
      const shipped = (httpEnvironment().NODE_OPTIONS ?? '').split(' ');
      for (const option of benched.split(' ')) assert.ok(shipped.includes(option), option);
    });

    test('Services, budgets, autoscaler and policies select existing pods', () => {
      const templates = workloads().map((workload) => workload.spec.template.metadata.labels as object);
      const selects = (selector: Record<string, string>, labels: object) =>
        Object.entries(selector).every(([key, value]) => (labels as Record<string, string>)[key] === value);
      const selectors = [
        ...all('Service').map(({ spec }) => spec.selector),
        ...all('PodDisruptionBudget').map(({ spec }) => spec.selector.matchLabels),
        ...all('PodMonitor').map(({ spec }) => spec.selector.matchLabels),
        ...workloads().map(({ spec }) => spec.selector.matchLabels),
      ];
      for (const selector of selectors) {
        assert.equal(templates.filter((labels) => selects(selector, labels)).length, 1, JSON.stringify(selector));
      }
      for (const { metadata, spec } of all('NetworkPolicy')) {
        const chosen = workloads().filter((workload) =>
          selects(spec.podSelector.matchLabels ?? {}, workload.spec.template.metadata.labels),
        );
        assert.ok(chosen.length > 0, metadata.name);
        const ports = chosen.flatMap(containers).flatMap(({ ports }) => (ports ?? []).map(({ name }: Part) => name));
        for (const { port } of (spec.ingress ?? []).flatMap(({ ports }: Part) => ports)) {
          assert.ok(ports.includes(port), `${metadata.name}: no port ${port}`);
        }
      }
      const { spec } = one('HorizontalPodAutoscaler', 'http-service');
      const target = one(spec.scaleTargetRef.kind, spec.scaleTargetRef.name);
      assert.equal(target.spec.replicas, undefined, 'a fixed number fights with the autoscaler');
      assert.deepEqual([spec.minReplicas, spec.maxReplicas], [2, 10]);
      for (const { type, containerResource } of spec.metrics) {
        assert.equal(type, 'ContainerResource');
        assert.equal(containerResource.name, 'cpu');
        container(target, containerResource.container);
      }
    });

    test('volumes outlive pods, and only one pod at a time mounts one', () => {
      const { spec } = one('StatefulSet', 'gateway');
      assert.deepEqual(spec.persistentVolumeClaimRetentionPolicy, { whenDeleted: 'Retain', whenScaled: 'Retain' });
      assert.equal(spec.podManagementPolicy, 'Parallel');
      const [claim] = spec.volumeClaimTemplates;
      assert.deepEqual(claim.spec.accessModes, ['ReadWriteOncePod']);
      const mount = container(one('StatefulSet', 'gateway'), 'gateway').volumeMounts.find(
        ({ name }: Part) => name === claim.metadata.name,
      );
      assert.equal(mount.mountPath, '/data');
    });

    test('one gateway pod at a time may be evicted, and pods are spread over nodes and zones', () => {
      for (const name of ['gateway', 'http-service']) {
        assert.equal(one('PodDisruptionBudget', name).spec.maxUnavailable, 1);
      }
      for (const workload of [one('Deployment', 'http-service'), one('StatefulSet', 'gateway')]) {
        const keys = pod(workload).topologySpreadConstraints.map(({ topologyKey }: Part) => topologyKey);
        assert.deepEqual(keys, ['kubernetes.io/hostname', 'topology.kubernetes.io/zone']);
      }
    });

    test('changing a setting or a secret triggers a rollout', () => {
      const generated = [...all('ConfigMap'), ...all('Secret')].map(({ metadata }) => metadata.name);
      for (const name of generated) assert.match(name, /-[a-z0-9]{10}$/);
      const named = workloads()
        .flatMap(containers)
        .flatMap(({ env = [], envFrom = [] }: Part) => [
          ...env.flatMap(({ valueFrom }: Part) => valueFrom?.secretKeyRef ?? []),
          ...envFrom.flatMap(({ configMapRef, secretRef }: Part) => configMapRef ?? secretRef),
        ])
        .filter(({ optional }) => optional !== true);
      for (const { name } of named) assert.ok(generated.includes(name), name);
    });

    test('every image is pinned', () => {
      for (const { image, name } of workloads().flatMap(containers)) {
        assert.doesNotMatch(image, /:latest$/);
        if (overlay === 'production' && (name === 'http' || name === 'gateway'))
          assert.match(image, /@sha256:[0-9a-f]{64}$/);
        // Older ones carry a SQLite with a known data-loss bug.
        const litestream = /litestream:(\d+)\.(\d+)\.(\d+)$/.exec(image);
        if (litestream !== null) {
          const [major, minor, patch] = litestream.slice(1).map(Number) as [number, number, number];
          assert.ok(major > 0 || minor > 5 || (minor === 5 && patch >= 17), image);
        }
      }
    });
  });
}
