import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { PermissionFlagsBits as P } from 'discord.js';
import {
  type DiscordSimulator,
  type SimulatedGuild,
  startDiscordSimulator,
} from '../../../../testkit/discord/index.ts';
import { BOT_PERMISSIONS } from '../../../../testkit/discord/world/permissions.ts';
import { heard, loginClient } from '../../../support/discordjs.ts';
import { call } from '../../../support/simulator.ts';

describe('the permissions and the hierarchy that Discord checks', () => {
  let simulator: DiscordSimulator;
  let guild: SimulatedGuild;
  let channelId: string;

  before(async () => {
    simulator = await startDiscordSimulator({ guilds: 1, globalRequestsPerSecond: 1_000 });
    guild = simulator.guilds.at(0);
  });
  beforeEach(() => {
    simulator.events.botPermissions(guild.id, BOT_PERMISSIONS);
    channelId = guild.channels[0]?.id as string;
  });
  after(() => simulator.stop());

  /** The status, and the error code of a refusal. */
  async function outcome(method: string, path: string, body?: object): Promise<[number, number?]> {
    const { status, json } = await call(simulator, method, path, body);
    return status < 400 ? [status] : [status, json.code];
  }
  const without = (missing: bigint): void => simulator.events.botPermissions(guild.id, BOT_PERMISSIONS & ~missing);
  /** Also takes the permissions from @everyone, whose permissions the bot has, too. */
  const deny = (id: string, denied: bigint): void => {
    const channel = guild.channels.find((one) => one.id === id);
    assert.ok(channel !== undefined);
    channel.permission_overwrites = [{ id: guild.id, allow: '0', deny: String(denied) }];
  };

  test('a route of a guild needs the permission of the bot role', async () => {
    const user = guild.memberIds[0] as string;
    const cases: [bigint, string, string, object?][] = [
      [P.ManageChannels, 'POST', `/guilds/${guild.id}/channels`, { name: 'x' }],
      [P.ManageRoles, 'POST', `/guilds/${guild.id}/roles`, { name: 'x' }],
      [P.ManageRoles, 'PUT', `/guilds/${guild.id}/members/${user}/roles/${guild.roles[1]?.id}`],
      [P.ManageGuild, 'PATCH', `/guilds/${guild.id}`, { name: 'Renamed' }],
      [P.ManageNicknames, 'PATCH', `/guilds/${guild.id}/members/${user}`, { nick: 'x' }],
      [P.ModerateMembers, 'PATCH', `/guilds/${guild.id}/members/${user}`, { communication_disabled_until: null }],
      [P.ViewAuditLog, 'GET', `/guilds/${guild.id}/audit-logs`],
      [P.ManageGuild | P.ViewAuditLog, 'GET', `/guilds/${guild.id}/invites`],
      [P.Administrator, 'PATCH', `/guilds/${guild.id}`, { features: ['COMMUNITY'] }],
      [P.ManageWebhooks, 'GET', `/guilds/${guild.id}/webhooks`],
      [P.CreateGuildExpressions, 'POST', `/guilds/${guild.id}/emojis`, { name: 'xx', image: 'data:image/png;base64,' }],
      [P.BanMembers, 'GET', `/guilds/${guild.id}/bans`],
      [P.BanMembers, 'PUT', `/guilds/${guild.id}/bans/1`],
      [P.KickMembers, 'DELETE', `/guilds/${guild.id}/members/${user}`],
    ];
    for (const [needed, method, path, body] of cases) {
      without(needed);
      assert.deepEqual(await outcome(method, path, body), [403, 50013], `${method} ${path} without its permission`);
      simulator.events.botPermissions(guild.id, BOT_PERMISSIONS | needed);
      assert.ok((await outcome(method, path, body))[0] < 300, `${method} ${path} with every permission`);
    }
  });

  test('a route of a channel needs the permission in the channel, and to see it', async () => {
    const { messageId } = simulator.events.messageCreate({ guildId: guild.id, channelId, content: 'x' });
    const message = `/channels/${channelId}/messages/${messageId}`;
    // Five messages in five seconds are what a channel takes.
    const other = guild.channels[2]?.id as string;
    const cases: [bigint, string, string, object?][] = [
      [P.SendMessages, 'POST', `/channels/${channelId}/messages`, { content: 'x' }],
      [P.EmbedLinks, 'POST', `/channels/${other}/messages`, { embeds: [{ title: 'x' }] }],
      [P.AddReactions, 'PUT', `${message}/reactions/${encodeURIComponent('🔥')}/@me`],
      [P.ManageMessages, 'DELETE', `${message}/reactions`],
      [P.PinMessages, 'PUT', `/channels/${channelId}/messages/pins/${messageId}`],
      [P.CreatePublicThreads, 'POST', `${message}/threads`, { name: 'x' }],
      [P.ManageWebhooks, 'POST', `/channels/${channelId}/webhooks`, { name: 'x' }],
      [P.CreateInstantInvite, 'POST', `/channels/${channelId}/invites`, {}],
      [P.ManageRoles, 'PUT', `/channels/${channelId}/permissions/${guild.ownerId}`, { type: 1, allow: '0', deny: '0' }],
      [P.ManageChannels, 'PATCH', `/channels/${channelId}`, { topic: 'x' }],
      [P.ManageMessages, 'DELETE', message],
    ];
    for (const [needed, method, path, body] of cases) {
      const id = path.split('/')[2] as string;
      deny(id, needed);
      assert.deepEqual(await outcome(method, path, body), [403, 50013], `${method} ${path} without its permission`);
      deny(id, P.ViewChannel);
      assert.deepEqual(await outcome(method, path, body), [403, 50001], `${method} ${path} in a hidden channel`);
      deny(id, 0n);
      assert.ok((await outcome(method, path, body))[0] < 300, `${method} ${path} with every permission`);
    }
  });

  test("the bot needs no permission for its own messages, and lists none without the channel's history", async () => {
    const channelId = guild.channels[3]?.id as string;
    const own = await call(simulator, 'POST', `/channels/${channelId}/messages`, { content: '@everyone' });
    assert.equal(own.json.mention_everyone, true);
    deny(channelId, P.ManageMessages | P.ReadMessageHistory | P.MentionEveryone);
    assert.deepEqual((await call(simulator, 'GET', `/channels/${channelId}/messages`)).json, []);
    const edit = await call(simulator, 'PATCH', `/channels/${channelId}/messages/${own.json.id}`, { content: 'y' });
    assert.equal(edit.status, 200);
    assert.deepEqual(await outcome('DELETE', `/channels/${channelId}/messages/${own.json.id}`), [204]);
    const quiet = await call(simulator, 'POST', `/channels/${channelId}/messages`, { content: '@everyone' });
    assert.equal(quiet.json.mention_everyone, false);
    const reply = { content: 'x', message_reference: { message_id: quiet.json.id } };
    assert.deepEqual(await outcome('POST', `/channels/${channelId}/messages`, reply), [403, 160_002]);
    deny(channelId, 0n);
  });

  test('nobody acts on members and roles at or above their own highest role', async () => {
    const [ownerId = '', adminId = ''] = guild.adminIds;
    const moderatorId = guild.moderatorIds[0] as string;
    const admin = guild.roles.find(({ name }) => name === 'Admin')?.id as string;
    const own = guild.roles.find(({ managed }) => managed)?.id as string;
    const until = new Date(Date.now() + 60_000).toISOString();
    const refusals: [string, string, object?][] = [
      ['PUT', `/guilds/${guild.id}/bans/${adminId}`],
      ['DELETE', `/guilds/${guild.id}/members/${ownerId}`],
      ['PATCH', `/guilds/${guild.id}/members/${adminId}`, { nick: 'x' }],
      ['PATCH', `/guilds/${guild.id}/members/${ownerId}`, { communication_disabled_until: until }],
      ['PATCH', `/guilds/${guild.id}/members/${moderatorId}`, { roles: [admin] }],
      ['PUT', `/guilds/${guild.id}/members/${moderatorId}/roles/${admin}`],
      ['PUT', `/guilds/${guild.id}/members/${moderatorId}/roles/${own}`],
      ['PATCH', `/guilds/${guild.id}/roles/${admin}`, { name: 'x' }],
      ['DELETE', `/guilds/${guild.id}/roles/${admin}`],
      ['PATCH', `/guilds/${guild.id}/roles`, [{ id: own, position: 9 }]],
      ['POST', `/guilds/${guild.id}/roles`, { permissions: String(P.Administrator) }],
    ];
    for (const [method, path, body] of refusals) {
      assert.deepEqual(await outcome(method, path, body), [403, 50013], `${method} ${path} ${JSON.stringify(body)}`);
    }
    // The bot may change its own nickname, and the roles of members above it.
    assert.deepEqual(await outcome('PATCH', `/guilds/${guild.id}/members/@me`, { nick: 'helper' }), [200]);
    const lower = guild.roles.find(({ name }) => name === 'Moderator')?.id as string;
    assert.deepEqual(await outcome('PUT', `/guilds/${guild.id}/members/${adminId}/roles/${lower}`), [204]);
    assert.deepEqual(await outcome('DELETE', `/guilds/${guild.id}/members/${moderatorId}`), [204]);
  });

  test('overwrites stay within the permissions of the bot, and a voice channel needs Connect for everything', async () => {
    without(P.BanMembers);
    const create = (allow: bigint) =>
      outcome('POST', `/guilds/${guild.id}/channels`, {
        name: 'x',
        permission_overwrites: [{ id: guild.id, type: 0, allow: String(allow) }],
      });
    assert.deepEqual(await create(P.BanMembers), [403, 50013]);
    assert.deepEqual(await create(P.ManageRoles), [403, 50013], 'for administrators only');
    assert.deepEqual(await create(P.SendMessages), [201]);
    const voice = guild.channels.find(({ type }) => type === 2)?.id as string;
    deny(voice, P.Connect);
    assert.deepEqual(await outcome('PATCH', `/channels/${voice}`, { name: 'x' }), [403, 50013]);
    assert.deepEqual(await outcome('GET', `/channels/${voice}`), [200]);
    deny(voice, 0n);
  });

  test('an archived thread opens for everyone who can write, and changes for nobody before', async () => {
    const path = `/channels/${guild.channels[1]?.id}/threads`;
    const { json: thread } = await call(simulator, 'POST', path, { name: 'x', type: 11 });
    const change = (body: object) => outcome('PATCH', `/channels/${thread.id}`, body);
    assert.deepEqual(await change({ archived: true }), [200]);
    assert.deepEqual(await change({ name: 'y' }), [400, 50083]);
    without(P.ManageThreads);
    assert.deepEqual(await change({ locked: true, archived: false }), [403, 50013]);
    assert.deepEqual(await change({ archived: false }), [200]);
  });

  test('the bot hears nothing from a channel that it does not see, and sees a private thread as a member only', async () => {
    await using client = await loginClient(simulator);
    const [seen = '', hidden = ''] = guild.channels.map(({ id }) => id);
    deny(hidden, P.ViewChannel);
    const messages: string[] = [];
    client.on('messageCreate', ({ content }) => messages.push(content));
    simulator.events.messageCreate({ guildId: guild.id, channelId: hidden, content: 'secret' });
    const next = heard(client, 'messageCreate');
    simulator.events.messageCreate({ guildId: guild.id, channelId: seen, content: 'public' });
    await next;
    assert.deepEqual(messages, ['public']);
    deny(hidden, 0n);
    const opened = await call(simulator, 'POST', `/channels/${seen}/threads`, { name: 'x', type: 12 });
    const thread = `/channels/${opened.json.id}`;
    simulator.events.botPermissions(guild.id, BOT_PERMISSIONS & ~P.ManageThreads);
    assert.deepEqual(await outcome('POST', `${thread}/messages`, { content: 'x' }), [200]);
    assert.deepEqual(await outcome('DELETE', `${thread}/thread-members/@me`), [204]);
    assert.deepEqual(await outcome('POST', `${thread}/messages`, { content: 'x' }), [403, 50001]);
  });
});
