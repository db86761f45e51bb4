// The bot's commands at Discord: what is registered, what is preserved, and what happens when Discord rejects them.
// Of src/gateway/discord/{command-duty,command-registration}.ts.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { Command } from '../../../../src/bot/types.ts';
import { type DiscordSimulator, startDiscordSimulator } from '../../../../testkit/discord/index.ts';
import { isReady, startDiscordPod } from '../../../support/discord-pod.ts';
import { until } from '../../../support/wait.ts';

const startDiscord = () => startDiscordSimulator({ guilds: 1, identifyWindowMs: 0 });
const run = () => ({ type: 4 as const, data: { content: '' } });
const warn: Command = {
  name: 'warn',
  description: 'Warns a user',
  default_member_permissions: '8',
  ephemeral: true,
  options: [{ type: 3, name: 'reason', description: 'Why', autocomplete: true, required: true }],
  run,
  autocomplete: () => [],
};
const look: Command = { type: 2, name: 'Look at', run };

const PUT = 'PUT /applications/:application/commands';
const writes = (discord: DiscordSimulator): number => discord.rest.counts()[PUT] ?? 0;
const registeredAt = (discord: DiscordSimulator) =>
  discord.commands.list(null) as unknown as Readonly<Record<string, unknown>>[];

/** Starts pod 0 with these commands, and stops it when they are registered. */
async function register(
  discord: DiscordSimulator,
  commands: readonly Command[],
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  await using pod = await startDiscordPod(discord, { bot: { commands }, env });
  await until('it is done', () => pod.lines.some(({ text }) => text === 'commands registered'));
}

test('commands are registered when they differ, and only then', async () => {
  await using discord = await startDiscord();
  await register(discord, [warn, look]);
  assert.equal(writes(discord), 1);
  const [registered] = registeredAt(discord);
  assert.equal(registered?.name, 'warn');
  for (const key of ['run', 'autocomplete', 'ephemeral']) assert.equal(registered?.[key], undefined);
  await register(discord, [look, warn]);
  assert.equal(writes(discord), 1, 'nothing has changed');
  await register(discord, [{ ...warn, description: 'Warns a member' } as Command, look]);
  assert.equal(writes(discord), 2);
  await register(discord, [look]);
  assert.equal(writes(discord), 3);
  assert.equal(registeredAt(discord).length, 1);
  await register(discord, []);
  assert.equal(registeredAt(discord).length, 0);
});

test('for development, commands are registered in one guild; those of every guild stay', async () => {
  await using discord = await startDiscord();
  await register(discord, [look]);
  const guildId = discord.guilds.at(0).id;
  const env = { DISCORD_COMMANDS_GUILD: guildId };
  const inGuild = 'PUT /applications/:application/guilds/:guild/commands';
  const everywhere: Command = { ...warn, contexts: [0], integration_types: [0] } as Command;
  for (let start = 0; start < 2; start++) await register(discord, [everywhere], env);
  assert.deepEqual(
    discord.commands.list(guildId).map(({ name }) => name),
    ['warn'],
  );
  assert.deepEqual(
    registeredAt(discord).map(({ name }) => name),
    ['Look at'],
  );
  assert.equal(discord.rest.counts()[inGuild], 1, 'nothing has changed');
});

test('commands of different types may share a name', async () => {
  await using discord = await startDiscord();
  const namesakes: Command[] = [{ ...look, name: 'warn' } as Command, { type: 3, name: 'warn', run }, warn];
  await register(discord, namesakes);
  assert.deepEqual(
    registeredAt(discord)
      .map(({ type }) => type)
      .toSorted(),
    [1, 2, 3],
  );
  await register(discord, namesakes.toReversed());
  assert.equal(writes(discord), 1);
});

test("an application's Entry Point command is preserved", async () => {
  await using discord = await startDiscord();
  const entryPoint = { type: 4, name: 'launch', handler: 2, integration_types: [0, 1], contexts: [0, 1, 2] };
  const { command } = discord.commands.upsert(null, entryPoint);
  const kept = () => registeredAt(discord).find(({ type }) => type === 4);
  await register(discord, [warn]);
  assert.equal(registeredAt(discord).length, 2);
  for (const [key, value] of Object.entries(entryPoint)) assert.deepEqual(kept()?.[key], value, key);
  await register(discord, [warn]);
  assert.equal(writes(discord), 1, 'it is no difference');
  await register(discord, []);
  assert.equal(kept()?.id, command.id);
  assert.equal(registeredAt(discord).length, 1);
});

test('contexts and integration types that were removed from a definition are registered again', async () => {
  await using discord = await startDiscord();
  const limited = { ...warn, contexts: [0], integration_types: [0, 1] } as Command;
  await register(discord, [limited]);
  await register(discord, [limited]);
  assert.equal(writes(discord), 1);
  await register(discord, [{ ...limited, contexts: undefined } as Command]);
  assert.equal(registeredAt(discord)[0]?.contexts ?? null, null);
  assert.equal(writes(discord), 2);
  await register(discord, [warn]);
  assert.deepEqual(registeredAt(discord)[0]?.integration_types, [0]);
  assert.equal(writes(discord), 3);
});

test("a rejection is logged once with Discord's reason, the pod serves, and the next process retries", async () => {
  await using discord = await startDiscord();
  await register(discord, [look]);
  const wrong: Command = { ...warn, description: '', name: 'Warn' } as Command;
  {
    await using pod = await startDiscordPod(discord, { bot: { commands: [look, wrong] } });
    const said = () => pod.lines.filter(({ text }) => text.includes('Discord refuses the bot'));
    await until('the rejection is logged', () => said().length > 0 && isReady(pod));
    const { ready, reasons } = pod.sessions.readiness();
    assert.equal(ready, true);
    assert.match(reasons.join(), /refuses.*"Warn"\.name: .*; "Warn"\.description: .*restart/);
    assert.equal(said().length, 1);
    assert.equal(said()[0]?.level, 'error');
    assert.equal(said()[0]?.text, reasons[0]);
  }
  assert.equal(writes(discord), 2);
  assert.deepEqual(
    registeredAt(discord).map(({ name }) => name),
    ['Look at'],
  );
  await register(discord, [look, warn]);
  assert.equal(registeredAt(discord).length, 2);
});

test('the application of another bot is reported with the variable to check', async () => {
  await using discord = await startDiscord();
  await using pod = await startDiscordPod(discord, { bot: { commands: [look] }, env: { DISCORD_APP_ID: '1' } });
  await until('it says so', () => pod.sessions.readiness().reasons.join().includes('DISCORD_APP_ID'));
  assert.equal(writes(discord), 0);
});

test('failures of Discord are retried and logged once', async (t) => {
  await using discord = await startDiscord();
  let requests = 0;
  // The library itself tries four times.
  const api = createServer((request, response) => {
    if ((request.url ?? '').includes('/commands') && ++requests <= 8) response.writeHead(503).end();
    else response.writeHead(307, { location: `${discord.apiUrl}${(request.url ?? '').replace('/api', '')}` }).end();
  });
  t.after(() => api.close());
  await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
  const env = { DISCORD_API_URL: `http://127.0.0.1:${(api.address() as AddressInfo).port}/api` };
  await using pod = await startDiscordPod(discord, { bot: { commands: [] }, env });
  await until('it gets through', () => requests > 8, 20_000);
  const said = pod.lines.filter(({ text }) => text.includes('cannot register commands'));
  assert.deepEqual(
    said.map(({ level }) => level),
    ['warn'],
  );
  api.closeAllConnections();
});
