import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Pod, startCluster } from '../../testkit/cluster/index.ts';
import { findFreePorts } from '../../testkit/cluster/ports.ts';
import { type DiscordSimulator, startDiscordSimulator } from '../../testkit/discord/index.ts';
import { BARE } from '../support/environment.ts';

const user = '81384788765712384';

/** The same user actions in each of two guilds, and the bot's responses. */
async function converse(discord: DiscordSimulator): Promise<unknown[]> {
  const answers: unknown[] = [];
  for (const guildId of discord.guilds.ids.slice(0, 2)) {
    for (const [name, options] of [
      ['settings', { show: {} }],
      ['note', { user, text: 'keeps the rules' }],
      ['warn', { user, reason: 'does not' }],
      ['warn', { user, reason: 'still does not' }],
      ['modlog', {}],
    ] as const) {
      const result = await discord.interactions.command({ guildId, name, options });
      assert.equal(result.outcome, 'answered', `${name}: ${result.status} ${result.problem}`);
      answers.push(result.response);
    }
    const typed = await discord.interactions.autocomplete({
      guildId,
      name: 'warn',
      options: { user, reason: 'does' },
      focused: 'reason',
    });
    answers.push(typed.response);
  }
  return answers;
}

/** Times and keys differ between runs. */
const comparable = (answers: unknown[]): unknown =>
  JSON.parse(
    JSON.stringify(answers)
      .replaceAll(/<t:\d+/g, '<t:0')
      .replaceAll(/"timestamp":"[^"]*"/g, '"timestamp":""')
      .replaceAll(/key=[\w-]+/g, 'key='),
  );

test('one process with SERVICE_MODE=monolith gives the same answers as many', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'guildway-monolith-'));
  const port = await findFreePorts(2);
  await using discord = await startDiscordSimulator({
    guilds: 30,
    identifyWindowMs: 100,
    interactionsUrl: `http://127.0.0.1:${port}/webhooks/discord`,
  });
  const pod = new Pod({
    name: 'monolith',
    ordinal: 0,
    port,
    adminPort: port + 1,
    logFile: join(directory, 'monolith.log'),
    env: {
      ...BARE,
      DATABASE_PATH: join(directory, 'guildway.sqlite3'),
      DISCORD_TOKEN: discord.token,
      DISCORD_PUBLIC_KEY: discord.publicKey,
      DISCORD_APP_ID: discord.applicationId,
      DISCORD_API_URL: discord.apiUrl,
      IDENTIFY_INTERVAL_MS: '100',
    },
  });
  try {
    await pod.start();
    const alone = await converse(discord);

    await using cluster = await startCluster({ guilds: 30, httpPods: 1 });
    assert.deepEqual(comparable(alone), comparable(await converse(cluster.simulator as DiscordSimulator)));

    assert.deepEqual(await pod.stop(), { code: 0, signal: null });
  } finally {
    await pod.kill();
    await rm(directory, { recursive: true, force: true });
  }
});
