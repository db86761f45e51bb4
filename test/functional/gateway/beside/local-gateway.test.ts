// A pod beside an unmodified discord.js client: what the client sees of Discord by the pod's local gateway. Of
// src/gateway/beside/{index,bot-session,bot-connection,beside-store,guild-cache,event-feed,welcome,local-server,protocol}.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Client } from 'discord.js';
import { type DiscordSimulator, startDiscordSimulator } from '../../../../testkit/discord/index.ts';
import { logIn, startBesidePod } from '../../../support/beside-pod.ts';
import { temporaryFolder } from '../../../support/store.ts';
import { until } from '../../../support/wait.ts';

const startDiscord = (options = {}) => startDiscordSimulator({ guilds: 12, identifyWindowMs: 0, ...options });

const say = (discord: DiscordSimulator, guildId: string, content: string): void =>
  void discord.events.messageCreate({ guildId, content });

/** Records the events that a bot acts on. */
function record(client: Client): { messages: string[]; created: string[]; deleted: string[] } {
  const seen = { messages: [] as string[], created: [] as string[], deleted: [] as string[] };
  client.on('messageCreate', ({ content }) => void seen.messages.push(content));
  client.on('guildCreate', ({ id }) => void seen.created.push(id));
  client.on('guildDelete', ({ id }) => void seen.deleted.push(id));
  return seen;
}

test('the bot sees the guilds of its pod only, and their events in order', async () => {
  await using discord = await startDiscord();
  using folder = temporaryFolder();
  await using pod = await startBesidePod(discord, { databasePath: folder.file('pod'), pods: 2 });
  await using client = await logIn(pod, discord.token);
  const seen = record(client);
  const own = [...discord.guilds].map(({ id }) => id).filter((id) => pod.topology.ownerOf(id) === 0);
  assert.deepEqual([...client.guilds.cache.keys()].toSorted(), own.toSorted());
  for (const guild of client.guilds.cache.values()) {
    assert.equal(guild.available, true);
    assert.equal(guild.channels.cache.size, [...discord.guilds].find(({ id }) => id === guild.id)?.channels.length);
  }
  const numbers = Array.from({ length: 40 }, (_, i) => String(i));
  for (const [i, number] of numbers.entries()) say(discord, own[i % own.length] as string, number);
  for (const { id } of discord.guilds) if (!own.includes(id)) say(discord, id, 'of another pod');
  say(discord, own[0] as string, 'the last one');
  await until('the last message', () => seen.messages.includes('the last one'));
  assert.deepEqual(seen.messages, [...numbers, 'the last one']);
  assert.deepEqual(discord.violations.list(), []);
});

test('a bot that starts again gets READY without an identify, and what happened meanwhile', async () => {
  await using discord = await startDiscord();
  using folder = temporaryFolder();
  await using pod = await startBesidePod(discord, { databasePath: folder.file('pod') });
  const guild = discord.guilds.at(0);
  {
    await using first = await logIn(pod, discord.token);
    assert.equal(first.guilds.cache.size, 12);
  }
  await until('the pod knows that the bot has gone', () => !pod.state().ready);
  for (const text of ['one', 'two', 'three']) say(discord, guild.id, text);
  await until('they wait', () => pod.state().waitingEvents === 3);
  const identifies = discord.gateway.identifies().length;
  let seen: ReturnType<typeof record> | null = null;
  await using second = await logIn(pod, discord.token, {}, (client) => (seen = record(client)));
  assert.equal(second.guilds.cache.size, 12);
  await until('what happened meanwhile', () => seen?.messages.length === 3);
  assert.deepEqual(seen, { messages: ['one', 'two', 'three'], created: [], deleted: [] });
  assert.equal(discord.gateway.identifies().length, identifies);
});

test('a pod that is killed hands over what happened meanwhile, once', async () => {
  await using discord = await startDiscord();
  using folder = temporaryFolder();
  const databasePath = folder.file('pod');
  const guild = discord.guilds.at(0);
  const messages: string[] = [];
  const read = (client: Client): void => void client.on('messageCreate', ({ content }) => void messages.push(content));
  {
    await using pod = await startBesidePod(discord, { databasePath });
    await using client = await logIn(pod, discord.token, {}, read);
    assert.ok(client.isReady());
    for (let i = 0; i < 20; i++) say(discord, guild.id, String(i));
    await until('they are handled', () => messages.length === 20);
  }
  for (let i = 20; i < 40; i++) say(discord, guild.id, String(i));
  await using pod = await startBesidePod(discord, { databasePath });
  await using client = await logIn(pod, discord.token, {}, read);
  assert.equal(client.guilds.cache.size, 12);
  await until('the rest', () => messages.includes('39'));
  assert.deepEqual(
    messages,
    Array.from({ length: 40 }, (_, i) => String(i)),
  );
  assert.equal(discord.gateway.identifies().length, 1, 'the session was resumed');
});

test('when the session begins anew, no guild is new to the bot and none is deleted', async () => {
  await using discord = await startDiscord();
  using folder = temporaryFolder();
  await using pod = await startBesidePod(discord, { databasePath: folder.file('pod') });
  await using client = await logIn(pod, discord.token);
  const seen = record(client);
  const again = new Promise<void>((resolve) => void client.once('shardReady', () => resolve()));
  const gone = discord.guilds.at(3).id;
  discord.gateway.invalidate(undefined, { resumable: false });
  discord.world.leave(gone);
  const lines = (text: string): number => pod.lines.filter((line) => line.text === text).length;
  await until('a new session', () => lines('Discord session started') === 2);
  say(discord, discord.guilds.at(0).id, 'after the new session');
  await until('its events arrive', () => seen.messages.includes('after the new session'));
  await again;
  assert.deepEqual(seen, { messages: ['after the new session'], created: [], deleted: [] });
  assert.equal([...client.guilds.cache.values()].filter(({ available }) => available).length, 12);
});

test('the guilds follow their events, also for the next start of the bot', async () => {
  await using discord = await startDiscord();
  using folder = temporaryFolder();
  await using pod = await startBesidePod(discord, { databasePath: folder.file('pod') });
  const guild = discord.guilds.at(0);
  let id = '';
  {
    await using client = await logIn(pod, discord.token);
    const given = client.guilds.cache.get(guild.id);
    const channel = await given?.channels.create({ name: 'a-new-one' });
    const role = await given?.roles.create({ name: 'A new role' });
    id = channel?.id ?? '';
    await until('the role is known', () => given?.roles.cache.has(role?.id ?? '') && given.channels.cache.has(id));
  }
  await using client = await logIn(pod, discord.token);
  const given = client.guilds.cache.get(guild.id);
  assert.equal(given?.channels.cache.get(id)?.name, 'a-new-one');
  assert.ok(given?.roles.cache.some(({ name }) => name === 'A new role'));
  assert.equal((await given?.members.fetch())?.size, given?.memberCount);
});

test('without an endpoint URL, interactions come as events and are answered by REST', async () => {
  await using discord = await startDiscord();
  using folder = temporaryFolder();
  await using pod = await startBesidePod(discord, { databasePath: folder.file('pod') });
  await using client = await logIn(pod, discord.token);
  client.on('interactionCreate', (interaction) => {
    if (interaction.isChatInputCommand()) void interaction.reply('by the gateway');
  });
  await client.application?.commands.set([{ name: 'hello', description: 'hello' }]);
  const answer = await discord.interactions.command({ guildId: discord.guilds.at(0).id, name: 'hello' });
  assert.deepEqual([answer.via, answer.outcome, answer.message?.content], ['gateway', 'answered', 'by the gateway']);
});

test('presence, voice and member requests of the bot reach Discord', async () => {
  await using discord = await startDiscord();
  using folder = temporaryFolder();
  await using pod = await startBesidePod(discord, { databasePath: folder.file('pod') });
  await using client = await logIn(pod, discord.token, { presence: { status: 'idle' } });
  const guild = client.guilds.cache.first();
  const members = await guild?.members.fetch({ query: '', limit: 5 });
  assert.ok((members?.size ?? 0) > 0, 'op 8, and its GUILD_MEMBERS_CHUNK');
  client.user?.setPresence({ status: 'dnd' });
  assert.deepEqual(discord.violations.list(), []);
});
