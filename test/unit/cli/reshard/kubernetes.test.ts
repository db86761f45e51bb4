/** The steps of `guildway reshard` in Kubernetes, with a kubectl that plays a cluster. */
import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { PodState } from '../../../../src/cli/pods.ts';
import { reshardCluster } from '../../../../src/cli/reshard/kubernetes.ts';
import { Overlay } from '../../../../src/cli/reshard/overlay.ts';
import { GuildwayError } from '../../../../src/errors.ts';
import type { TopologyRecord } from '../../../../src/routing/topology.ts';
import { temporaryFolder } from '../../../support/store.ts';

const PRODUCTION = fileURLToPath(new URL('../../../../cluster/overlays/production', import.meta.url));
const md5 = (pods: number, epoch: number): TopologyRecord => ({ strategy: 'md5', pods, shards: null, epoch });

/** A cluster that applies an overlay as Kubernetes and the gateway pods do, and notes in which order. */
class PlayedCluster {
  readonly log: string[] = [];
  readonly #overlay: Overlay;
  chain: TopologyRecord[] = [md5(3, 1)];
  replicas = 3;
  /** Looks until a move has ended. */
  looks = 0;
  /** Errors of the next commands. */
  readonly failures: GuildwayError[] = [];

  constructor(overlay: Overlay) {
    this.#overlay = overlay;
  }

  run = (args: readonly string[]): string => {
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    const [verb, what] = args;
    if (verb === 'apply') this.#apply();
    if (verb === 'rollout') assert.deepEqual(args.slice(0, 3), ['rollout', 'status', 'statefulset/gateway']);
    if (verb !== 'exec') return '';
    assert.equal(what, 'deploy/http-service');
    if (this.chain.length > 1 && this.looks-- <= 0) {
      this.chain = this.chain.slice(-1);
      this.log.push('moved');
    }
    return JSON.stringify({ answers: { 0: this.#state() }, missing: [] });
  };

  #apply(): void {
    const { replicas, pods, epoch } = this.#overlay.read();
    const holders = Math.max(...this.chain.map((topology) => topology.pods));
    assert.ok(replicas >= holders, `${replicas} replicas, but guilds may be on ${holders} pods`);
    if (replicas !== this.replicas) this.log.push(`replicas ${this.replicas} -> ${replicas}`);
    this.replicas = replicas;
    const newest = this.chain.at(-1) as TopologyRecord;
    if (epoch <= newest.epoch) {
      if (pods !== newest.pods) this.log.push('refused: the epoch has not grown');
      return;
    }
    assert.ok(pods <= replicas, 'every pod that gets guilds runs');
    this.log.push(`pods ${newest.pods} -> ${pods}`);
    this.chain.push(md5(pods, epoch));
  }

  #state(): PodState {
    const moving = { topologies: this.chain, done: [], toMove: 5, leaving: 0, arrived: 5, troubles: [], problem: null };
    return { pod: 0, name: 'gateway-0', ready: true, reasons: [], topology: this.chain[0] as TopologyRecord, moving };
  }
}

function start(folder: string): { overlay: Overlay; cluster: PlayedCluster; said: string[]; reshard: Reshard } {
  cpSync(PRODUCTION, folder, { recursive: true });
  const overlay = new Overlay(folder);
  const cluster = new PlayedCluster(overlay);
  const said: string[] = [];
  const reshard: Reshard = (pods, isDryRun = false) =>
    reshardCluster({
      ...{ overlay, pods, isDryRun, run: cluster.run, lookMs: 0 },
      say: (line) => void said.push(line),
      onProgress: ({ arrived, left }) => void said.push(`${arrived} of ${arrived + left}`),
    });
  return { overlay, cluster, said, reshard };
}
type Reshard = (pods: number, isDryRun?: boolean) => Promise<void>;

test('more pods run before the number grows, and fewer only after it has shrunk and every guild has moved', async () => {
  using folder = temporaryFolder();
  const { overlay, cluster, said, reshard } = start(folder.path);
  const comments = (file: string) => readFileSync(folder.file(file), 'utf8').replace(/\d+/g, '');
  const before = ['kustomization.yaml', 'settings.env'].map(comments);
  assert.equal(overlay.namespace, 'guildway');
  cluster.looks = 2;
  await reshard(5);
  assert.deepEqual(cluster.log.splice(0), ['replicas 3 -> 5', 'pods 3 -> 5', 'moved']);
  assert.deepEqual(overlay.read(), { replicas: 5, pods: 5, epoch: 2 });
  assert.ok(said.includes('5 of 10') && said.at(-1) === 'every guild is at its owner among 5 gateway pods');
  await reshard(3);
  assert.deepEqual(cluster.log.splice(0), ['pods 5 -> 3', 'moved', 'replicas 5 -> 3']);
  assert.deepEqual(overlay.read(), { replicas: 3, pods: 3, epoch: 3 });
  assert.deepEqual(['kustomization.yaml', 'settings.env'].map(comments), before, 'only numbers have changed');
  // Nothing is left to do.
  await reshard(3);
  assert.deepEqual(cluster.log, []);
});

test('a run that was stopped before or after any command is continued by the next one', async () => {
  let stops = 0;
  for (const when of ['before', 'after'] as const) {
    for (let at = 1, isStopped = true; isStopped; at++) {
      using folder = temporaryFolder();
      const { overlay, cluster, reshard } = start(folder.path);
      await reshard(5);
      cluster.log.length = 0;
      const { run } = cluster;
      let commands = 0;
      isStopped = false;
      cluster.run = (args) => {
        if (++commands !== at || isStopped) return run(args);
        isStopped = true;
        if (when === 'after') run(args);
        throw new GuildwayError('CONFIG_INVALID', 'stopped');
      };
      const options = {
        overlay,
        pods: 3,
        isDryRun: false,
        run: (args: readonly string[]) => cluster.run(args),
        lookMs: 0,
      };
      const again = (): Promise<void> => reshardCluster({ ...options, say() {}, onProgress() {} });
      await again().catch((error: Error) => assert.equal(error.message, 'stopped'));
      commands = at;
      await again();
      assert.deepEqual(cluster.log, ['pods 5 -> 3', 'moved', 'replicas 5 -> 3'], `stopped ${when} command ${at}`);
      assert.deepEqual(overlay.read(), { replicas: 3, pods: 3, epoch: 3 });
      if (isStopped) stops++;
    }
  }
  assert.ok(stops >= 12, `${stops} stops`);
});

test('a dry run shows every step and changes nothing', async () => {
  using folder = temporaryFolder();
  const { overlay, cluster, said, reshard } = start(folder.path);
  await reshard(5, true);
  assert.deepEqual([overlay.read(), cluster.log], [{ replicas: 3, pods: 3, epoch: 1 }, []]);
  const text = said.join('\n');
  assert.match(
    text,
    /replicas of gateway: 3 -> 5\n.*kubectl apply -k .*\n.*NUM_GATEWAY_PODS: 3 -> 5, TOPOLOGY_EPOCH: 1 -> 2/s,
  );
  assert.equal(said.at(-1), 'nothing was changed');
});

test('the epoch grows beyond what the pods know; an HTTP pod that ends meanwhile is asked again', async () => {
  using folder = temporaryFolder();
  const { overlay, cluster, reshard } = start(folder.path);
  cluster.chain = [md5(3, 7)];
  cluster.looks = 1;
  const { run } = cluster;
  let looks = 0;
  cluster.run = (args) => {
    if (args[0] === 'exec' && ++looks === 2) throw new GuildwayError('LINK_UNAVAILABLE', 'the pod has ended');
    return run(args);
  };
  await reshardCluster({
    ...{ overlay, pods: 4, isDryRun: false, run: cluster.run, lookMs: 0 },
    ...{ say: () => {}, onProgress: () => {} },
  });
  assert.deepEqual(overlay.read(), { replicas: 4, pods: 4, epoch: 8 });
  await assert.rejects(reshard(10_001), /there can be 10000 gateway pods at most/);
});

test('an overlay without its numbers, or a wrong folder, is refused with what to add', () => {
  using folder = temporaryFolder();
  assert.throws(() => new Overlay('/nowhere').read(), /\/nowhere\/kustomization\.yaml cannot be read: name the folder/);
  cpSync(PRODUCTION, folder.path, { recursive: true });
  const overlay = new Overlay(folder.path);
  const settings = readFileSync(folder.file('settings.env'), 'utf8');
  writeFileSync(folder.file('settings.env'), settings.replace(/^TOPOLOGY_EPOCH=.*\n/m, ''));
  assert.throws(() => overlay.read(), /settings\.env has no TOPOLOGY_EPOCH: add it/);
  const kustomization = readFileSync(folder.file('kustomization.yaml'), 'utf8');
  writeFileSync(
    folder.file('kustomization.yaml'),
    kustomization.replace('name: gateway\n    count: 3', 'name: other\n    count: 3'),
  );
  assert.throws(() => overlay.read(), /does not say how many gateway pods run: add it.*count: 3/s);
});
