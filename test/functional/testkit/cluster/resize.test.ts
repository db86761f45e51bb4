/** The local cluster changes its number of gateway pods while commands come. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { type Cluster, startCluster } from '../../../../testkit/cluster/index.ts';
import { nextTopology, readTopologies } from '../../../../testkit/cluster/present-topology.ts';
import { temporaryFolder } from '../../../support/store.ts';

/** The guilds with rows of each pod. */
function guildsByPod(cluster: Cluster, pods: number): string[][] {
  return Array.from({ length: pods }, (_, ordinal) => {
    const database = new DatabaseSync(cluster.databasePath(ordinal), { readOnly: true });
    try {
      const rows = database.prepare('SELECT DISTINCT guild_id FROM cases').all();
      return rows.map((row) => String(row.guild_id)).toSorted();
    } finally {
      database.close();
    }
  });
}

async function note(cluster: Cluster, guildId: string, text: string): Promise<void> {
  const options = { user: '81384788765712384', text };
  const result = await cluster.simulator?.interactions.command({ guildId, name: 'note', options });
  assert.match(result?.outcome ?? '', /^(answered|deferred)$/, `${result?.status} ${result?.problem}`);
}

test('2 gateway pods become 3 and 2 again under commands: every guild is at its owner', async () => {
  using folder = temporaryFolder();
  const options = { httpPods: 1, guilds: 24, directory: folder.path, mostGatewayPods: 3 };
  const expectPlaced = (cluster: Cluster, pods: number): void => {
    const guilds = cluster.simulator?.guilds.ids ?? [];
    const owned = Array.from({ length: 3 }, (_, pod) =>
      guilds.filter((guildId) => cluster.topology.ownerOf(guildId) === pod).toSorted(),
    );
    assert.equal(cluster.topology.pods, pods);
    assert.deepEqual(guildsByPod(cluster, 3), owned);
  };
  const added: string[] = [];
  await using cluster = await startCluster({
    ...{ ...options, gatewayPods: 2 },
    onGatewayPod: ({ name }) => void added.push(name),
  });
  const guilds = cluster.simulator?.guilds.ids ?? [];
  for (const guildId of guilds) await note(cluster, guildId, 'first');
  assert.throws(() => cluster.resize(4), /4 gateway pods: this cluster can have 1 to 3/);

  let resized = false;
  const growing = cluster.resize(3).finally(() => {
    resized = true;
  });
  assert.throws(() => cluster.resize(2), /is being changed/);
  for (let i = 0; !resized; i++) await note(cluster, guilds[i % guilds.length] as string, 'meanwhile');
  await growing;
  assert.deepEqual([added, cluster.gatewayPods.length, cluster.progress], [['gateway-2'], 3, null]);
  expectPlaced(cluster, 3);

  const third = cluster.gatewayPods[2];
  await cluster.resize(2);
  const chain = readTopologies(cluster.databasePath(0));
  assert.deepEqual(chain, [cluster.topology.toRecord()]);
  // At the next start, the same number is the same topology, and another one has the next epoch.
  assert.equal(nextTopology({ strategy: 'md5', pods: 2 }, chain?.[0]).epoch, 3);
  assert.equal(nextTopology({ strategy: 'md5', pods: 5 }, chain?.[0]).epoch, 4);
  assert.equal(nextTopology({ strategy: 'md5', pods: 5 }, undefined).epoch, 1);
  assert.equal(readTopologies(folder.file('no database')), null);
  assert.deepEqual([third?.running, cluster.gatewayPods.length, cluster.topology.epoch], [false, 2, 3]);
  expectPlaced(cluster, 2);
});
