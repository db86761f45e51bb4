import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Cluster, type Pod, startCluster } from '../../../../testkit/cluster/index.ts';
import type { DiscordSimulator } from '../../../../testkit/discord/index.ts';
import { until } from '../../../support/wait.ts';

const bot = fileURLToPath(new URL('../../../support/jobs-bot.ts', import.meta.url));

let cluster: Cluster;
let simulator: DiscordSimulator;
let pod: Pod;
let guildId: string;

before(async () => {
  cluster = await startCluster({ bot, gatewayPods: 1, httpPods: 1, guilds: 1 });
  simulator = cluster.simulator as DiscordSimulator;
  pod = cluster.gatewayPods[0] as Pod;
  guildId = simulator.guilds.at(0).id;
});
after(() => cluster.stop());

async function ran(): Promise<string[]> {
  const response = await fetch(`${cluster.url}/api/guilds/${guildId}/ran`);
  return ((await response.json()) as { what: string }[]).map(({ what }) => what);
}

test('a test moves the clocks of a cluster: jobs and cron jobs run when they are due, also after a restart', async () => {
  await until(
    'the guild has its next daily run',
    async () => (await pod.admin<{ waiting: number }>('/jobs')).waiting === 1,
  );
  await simulator.interactions.command({ guildId, name: 'remind' });
  await cluster.advance('30m');
  assert.ok(!(await ran()).includes('two hours'));
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

test('follow-ups and what comes after a response survive a killed pod', async () => {
  const { message } = await simulator.interactions.command({ guildId, name: 'talk' });
  await pod.kill('SIGKILL');
  await pod.start();
  await until('the handler knows the id of its message', async () =>
    (await ran()).includes(`after response ${message?.id}`),
  );
  const said = async (): Promise<string[]> => {
    const headers = { authorization: `Bot ${simulator.token}` };
    const response = await fetch(`${simulator.apiUrl}/v10/channels/${message?.channel_id}/messages`, { headers });
    return ((await response.json()) as { content: string }[]).map(({ content }) => content).toReversed();
  };
  await until('both follow-ups are there', async () => (await said()).includes('two'));
  assert.deepEqual((await said()).slice(-3), ['response', 'one', 'two']);
  assert.equal((await ran()).filter((what) => what.startsWith('after')).length, 1);
});
