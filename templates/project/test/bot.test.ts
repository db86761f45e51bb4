import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startCluster } from 'guildway/testkit';

const bot = fileURLToPath(new URL('../src/bot.ts', import.meta.url));
const cluster = await startCluster({ bot, gatewayPods: 1, httpPods: 1, guilds: 2 });
after(() => cluster.stop());

test('/hello counts, and the page of the guild shows the count', async () => {
  assert.ok(cluster.simulator);
  const { interactions, guilds } = cluster.simulator;
  const guildId = guilds.at(0).id;
  for (const count of [1, 2]) {
    const { message } = await interactions.command({ guildId, name: 'hello' });
    assert.equal(message?.content, `Hello, number ${count}!`);
  }
  const page = await fetch(`${cluster.url}/app/${guildId}`);
  assert.equal(await page.text(), '2 greetings, 0 messages\n');
});

test('/remind schedules a reminder', async () => {
  assert.ok(cluster.simulator);
  const { interactions, guilds } = cluster.simulator;
  const options = [
    { type: 4, name: 'minutes', value: 5 },
    { type: 3, name: 'text', value: 'tea' },
  ];
  const { message } = await interactions.command({ guildId: guilds.at(0).id, name: 'remind', options });
  assert.equal(message?.content, 'I will say it in 5 minutes.');
});
