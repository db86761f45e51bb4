import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startCluster } from '../../../../testkit/cluster/index.ts';
import { until } from '../../../support/wait.ts';

const bot = fileURLToPath(new URL('../../../support/jobs-bot.ts', import.meta.url));

test('a test moves the clocks of a cluster: jobs and cron jobs run when they are due, also after a restart', async () => {
  await using cluster = await startCluster({ bot, gatewayPods: 1, httpPods: 1, guilds: 1 });
  const { simulator, gatewayPods } = cluster;
  const [pod] = gatewayPods;
  if (simulator === null || pod === undefined) throw new Error('no simulator or no pod');
  const guildId = simulator.guilds.at(0).id;
  const ran = async (): Promise<string[]> => {
    const response = await fetch(`${cluster.url}/api/guilds/${guildId}/ran`);
    return ((await response.json()) as { what: string }[]).map(({ what }) => what);
  };
  await until(
    'the guild has its next daily run',
    async () => (await pod.admin<{ waiting: number }>('/jobs')).waiting === 1,
  );
  await simulator.interactions.command({ guildId, name: 'remind' });
  await cluster.advance('30m');
  const before = await ran();
  assert.ok(!before.includes('two hours'));
  await pod.restart();
  await cluster.advance('100m');
  assert.ok((await ran()).includes('two hours'));
  await cluster.advance('3d');
  assert.ok((await ran()).includes('a day'));
  // The clocks of the HTTP pod and of the simulator agree: a signature is not too old.
  const later = await simulator.interactions.command({ guildId, name: 'remind' });
  assert.equal(later.message?.content, 'in two hours');
  await assert.rejects(cluster.advance('soon'), /"soon" is not a time/);
});
