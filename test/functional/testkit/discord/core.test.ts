import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  type API,
  ChannelType,
  Client,
  type GatewayDispatchEvents,
  GatewayIntentBits,
  OverwriteType,
} from '@discordjs/core';
import { REST } from '@discordjs/rest';
import { WebSocketManager } from '@discordjs/ws';
import {
  type DiscordSimulator,
  type SimulatedGuild,
  startDiscordSimulator,
} from '../../../../testkit/discord/index.ts';

describe('@discordjs/core, without a Client of discord.js', () => {
  let simulator: DiscordSimulator;
  let gateway: WebSocketManager;
  let client: Client;
  let api: API;
  let guild: SimulatedGuild;

  before(async () => {
    simulator = await startDiscordSimulator({ guilds: 1 });
    guild = simulator.guilds.at(0);
    const rest = new REST({ api: simulator.apiUrl }).setToken(simulator.token);
    const intents = Object.values(GatewayIntentBits).reduce<number>((all, bit) => all | Number(bit) || all, 0);
    gateway = new WebSocketManager({ token: simulator.token, intents, rest });
    client = new Client({ rest, gateway });
    api = client.api;
    await gateway.connect();
  });
  after(async () => {
    await gateway.destroy();
    await simulator.stop();
    assert.deepEqual(simulator.stats().unknownRoutes, {});
    assert.deepEqual(simulator.violations.list(), []);
  });

  const heard = (event: GatewayDispatchEvents): Promise<void> =>
    new Promise((resolve) => client.once(event, () => resolve()));

  test('manages channels, members, roles, threads and webhooks, and hears of each change', async () => {
    const events = [
      ...['CHANNEL_CREATE', 'CHANNEL_UPDATE', 'GUILD_ROLE_CREATE', 'GUILD_MEMBER_UPDATE', 'THREAD_CREATE'],
      ...['MESSAGE_CREATE', 'MESSAGE_REACTION_ADD', 'WEBHOOKS_UPDATE', 'CHANNEL_PINS_UPDATE', 'CHANNEL_DELETE'],
    ] as GatewayDispatchEvents[];
    const all = Promise.all(events.map((event) => heard(event)));
    const userId = guild.memberIds[0] as string;
    const channel = await api.guilds.createChannel(guild.id, { name: 'talk', type: ChannelType.GuildText });
    await api.channels.editPermissionOverwrite(channel.id, userId, { type: OverwriteType.Member, deny: '2048' });
    const role = await api.guilds.createRole(guild.id, { name: 'helper' });
    await api.guilds.addRoleToMember(guild.id, userId, role.id, { reason: 'helps' });
    await api.guilds.editMember(guild.id, userId, { nick: 'Helper' });
    const message = await api.channels.createMessage(channel.id, { content: 'hello' });
    await api.channels.addMessageReaction(channel.id, message.id, '👋');
    await api.channels.pinMessage(channel.id, message.id);
    const thread = await api.channels.createThread(channel.id, { name: 'more' }, message.id);
    await api.threads.addMember(thread.id, userId);
    const webhook = await api.channels.createWebhook(channel.id, { name: 'News' });
    const posted = await api.webhooks.execute(webhook.id, webhook.token as string, { content: 'news', wait: true });
    assert.equal(posted.webhook_id, webhook.id);
    assert.equal((await api.channels.getMessageReactions(channel.id, message.id, '👋')).length, 1);
    const member = await api.guilds.getMember(guild.id, userId);
    assert.deepEqual([member.nick, member.roles.includes(role.id)], ['Helper', true]);
    await api.channels.delete(channel.id);
    await all;
  });

  test('answers a command over the gateway', async () => {
    await api.applicationCommands.bulkOverwriteGlobalCommands(simulator.applicationId, [
      { name: 'ping', description: 'Answers' },
    ]);
    client.once('INTERACTION_CREATE' as GatewayDispatchEvents.InteractionCreate, ({ data, api: own }) => {
      void own.interactions.reply(data.id, data.token, { content: `pong ${data.channel?.id}` });
    });
    const result = await simulator.interactions.command({ guildId: guild.id, name: 'ping' });
    assert.equal(result.message?.content, `pong ${result.channelId}`);
  });
});
