// Interactions of an application without an endpoint URL: they come by the gateway.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BotDefinition } from '../../../../src/bot/index.ts';
import { startDiscordSimulator } from '../../../../testkit/discord/index.ts';
import { startGatewayPod } from '../../../support/gateway-pod.ts';
import { until } from '../../../support/wait.ts';

const command = (name: string, more: object) => ({ name, description: name, ...more });

test('the owner answers them by the callback, defers a slow one, and runs each once', async () => {
  await using discord = await startDiscordSimulator({ guilds: 3, identifyWindowMs: 0 });
  const slow = Promise.withResolvers<void>();
  const runs: string[] = [];
  const bot = {
    commands: [
      command('fast', {
        run: (_: unknown, { transaction }: { transaction: (work: () => void) => void }) => {
          transaction(() => void runs.push('fast'));
          return { type: 4, data: { content: 'fast' } };
        },
      }),
      command('slow', {
        async run() {
          runs.push('slow');
          await slow.promise;
          return { type: 4, data: { content: 'slow' } };
        },
      }),
    ],
    migrations: [],
  } as unknown as Partial<BotDefinition>;
  await using pod = await startGatewayPod({
    bot,
    env: {
      ...{ DISCORD_TOKEN: discord.token, DISCORD_APP_ID: discord.applicationId, DISCORD_API_URL: discord.apiUrl },
      ...{ DISCORD_SHARDS: '1', IDENTIFY_INTERVAL_MS: '1' },
    },
  });
  await until('the pod is ready', () => pod.service.readiness().ready);
  const guildId = discord.guilds.at(0).id;
  await until('its commands are registered', () => discord.stats().requests['PUT /applications/:application/commands']);
  const fast = await discord.interactions.command({ guildId, name: 'fast' });
  assert.deepEqual([fast.via, fast.outcome, fast.message?.content], ['gateway', 'answered', 'fast']);
  const deferred = await discord.interactions.command({ guildId, name: 'slow' });
  assert.deepEqual([deferred.outcome, deferred.responseType], ['deferred', 5]);
  slow.resolve();
  assert.equal((await deferred.settled(30_000)).message?.content, 'slow');
  assert.deepEqual(runs, ['fast', 'slow']);
});
