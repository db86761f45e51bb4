/** Privileges: secrets, security contexts, network policies. */
import assert from 'node:assert/strict';
import { BlockList, isIPv6 } from 'node:net';
import { describe, test } from 'node:test';
import { OVERLAYS, type Part, readOverlay, skip } from '../../support/overlay.ts';

/** Addresses at which clouds serve a node's credentials. */
const METADATA_SERVICES = [
  ...['169.254.169.254', '169.254.170.2', '168.63.129.16', '100.100.100.200'],
  ...['fd00:ec2::254', 'fd20:ce::254', 'fe80::a9fe:a9fe'],
];

/** The peers that a policy allows. */
function nameOf({ namespaceSelector, podSelector, ipBlock }: Part): string {
  assert.equal(ipBlock, undefined);
  if (namespaceSelector === undefined) return podSelector.matchLabels['app.kubernetes.io/component'];
  return `namespace ${namespaceSelector.matchLabels['kubernetes.io/metadata.name']}`;
}

function contains(blocks: readonly string[], address: string): boolean {
  const list = new BlockList();
  for (const block of blocks) {
    const [network, prefix] = block.split('/') as [string, string];
    // An IPv4 address would count as a part of ::/0.
    if (isIPv6(network) !== isIPv6(address)) continue;
    list.addSubnet(network, Number(prefix), isIPv6(network) ? 'ipv6' : 'ipv4');
  }
  return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

for (const overlay of OVERLAYS) {
  describe(`${overlay} overlay`, { skip }, () => {
    const { objects, all, one, workloads, pod, containers, settings, httpEnvironment, gatewayEnvironment } =
      readOverlay(overlay);

    test('a secret goes only to the container that needs it', () => {
      assert.equal(httpEnvironment().DISCORD_TOKEN, undefined);
      assert.ok(gatewayEnvironment('gateway-0').DISCORD_TOKEN);
      for (const name of ['DISCORD_TOKEN', 'LINK_SECRET', 'AWS_SECRET_ACCESS_KEY']) {
        assert.equal(settings()[name], undefined, `${name} in a ConfigMap`);
      }
      const withSecrets = workloads().flatMap((workload) =>
        containers(workload)
          .filter((part) => /secretRef|secretKeyRef/.test(JSON.stringify([part.env, part.envFrom])))
          .map((part) => part.name),
      );
      const litestream = overlay === 'production' ? ['restore', 'litestream'] : [];
      assert.deepEqual(withSecrets.toSorted(), ['http', 'gateway', ...litestream].toSorted());
      assert.doesNotMatch(JSON.stringify(objects()), /CONFIG_SERVICE_URL/);
    });

    test('every container is restricted, in the sense of the Pod Security Standards, and more', () => {
      const [namespace] = all('Namespace');
      assert.equal(namespace?.metadata.labels?.['pod-security.kubernetes.io/enforce'], 'restricted');
      for (const workload of workloads()) {
        const { securityContext, serviceAccountName, automountServiceAccountToken } = pod(workload);
        assert.equal(securityContext.runAsNonRoot, true);
        assert.ok(securityContext.runAsUser > 0);
        assert.deepEqual(securityContext.seccompProfile, { type: 'RuntimeDefault' });
        assert.equal(automountServiceAccountToken, false);
        assert.equal(one('ServiceAccount', serviceAccountName).automountServiceAccountToken, false);
        for (const part of containers(workload)) {
          assert.deepEqual(
            part.securityContext,
            { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
            part.name,
          );
          assert.ok(part.resources.limits.memory, part.name);
          assert.ok(part.resources.limits['ephemeral-storage'], part.name);
          assert.equal(part.resources.requests.memory, part.resources.limits.memory, part.name);
          assert.ok(part.resources.requests.cpu, part.name);
        }
      }
    });

    test('traffic that no policy allows is denied in both directions', () => {
      assert.deepEqual(one('NetworkPolicy', 'default-deny').spec, {
        podSelector: {},
        policyTypes: ['Ingress', 'Egress'],
      });
      // The allowed peers by port. A policy without `from` would allow everyone.
      const opened = all('NetworkPolicy').flatMap(({ spec }) =>
        (spec.ingress ?? []).flatMap(({ from, ports }: Part) => {
          assert.ok(from?.length > 0 && ports?.length > 0);
          const component = spec.podSelector.matchLabels['app.kubernetes.io/component'] ?? 'every';
          return ports.flatMap(({ port }: Part) => from.map((peer: Part) => `${nameOf(peer)} -> ${component} ${port}`));
        }),
      );
      const ways =
        overlay === 'production'
          ? ['namespace gateway-system -> http http', 'namespace monitoring -> gateway litestream']
          : ['discord -> http http', 'gateway -> discord discord'];
      const always = ['http -> gateway http', 'gateway -> gateway http', 'namespace monitoring -> every admin'];
      assert.deepEqual(opened.toSorted(), [...ways, ...always].toSorted());
    });

    test("no pod reaches the cloud's metadata service, and an HTTP pod reaches only its gateway pods", () => {
      for (const component of ['http', 'gateway']) {
        const policies = all('NetworkPolicy').filter(
          ({ spec }) =>
            spec.policyTypes.includes('Egress') &&
            spec.podSelector.matchLabels?.['app.kubernetes.io/component'] === component,
        );
        // Policies add up: a second one could open what the first one closes.
        assert.equal(policies.length, 1, component);
        for (const { to, ports } of (policies[0] as Part).spec.egress as Part[]) {
          if (to === undefined) {
            assert.deepEqual([...new Set(ports.map(({ port }: Part) => port))], [53]);
            continue;
          }
          if (component === 'http') {
            const labels = { 'app.kubernetes.io/name': 'guildway', 'app.kubernetes.io/component': 'gateway' };
            assert.deepEqual(to, [{ podSelector: { matchLabels: labels } }]);
          }
          for (const { ipBlock } of to.filter(({ ipBlock }: Part) => ipBlock !== undefined)) {
            for (const address of METADATA_SERVICES) {
              const open = contains([ipBlock.cidr], address) && !contains(ipBlock.except ?? [], address);
              assert.ok(!open, `${address} is open to ${component}`);
            }
          }
        }
      }
    });
  });
}
