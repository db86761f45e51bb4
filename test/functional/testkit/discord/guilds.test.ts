import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  AuditLogEvent,
  ChannelType,
  type Client,
  Events,
  type Guild,
  type Message,
  OverwriteType,
  Partials,
  PermissionFlagsBits,
  type TextChannel,
} from 'discord.js';
import { type DiscordSimulator, startDiscordSimulator } from '../../../../testkit/discord/index.ts';
import { heard as heardBy, loginClient } from '../../../support/discordjs.ts';
import { call, until } from '../../../support/simulator.ts';

const { SendMessages, ViewChannel } = PermissionFlagsBits;

describe('what bots do in guilds, by the real discord.js', () => {
  let simulator: DiscordSimulator;
  let client: Client;
  let guild: Guild;
  let channel: TextChannel;
  let member: string;

  before(async () => {
    simulator = await startDiscordSimulator({ guilds: 3, globalRequestsPerSecond: 1_000, identifyWindowMs: 0 });
    client = await loginClient(simulator, { partials: [Partials.Message, Partials.Reaction] });
    const simulated = simulator.guilds.at(0);
    member = simulated.memberIds[0] as string;
    guild = client.guilds.cache.get(simulated.id) as Guild;
    channel = guild.channels.cache.get(simulated.channels[0]?.id as string) as TextChannel;
  });
  after(async () => {
    await client.destroy();
    await simulator.stop();
    assert.deepEqual(simulator.stats().unknownRoutes, {});
    assert.deepEqual(simulator.violations.list(), []);
  });

  const heard = <T extends unknown[]>(event: string, fits?: (...args: T) => boolean): Promise<T> =>
    heardBy(client, event, fits);

  test('a reply names its target and mentions; a reply to a missing message is refused or becomes a message', async () => {
    const { messageId } = simulator.events.messageCreate({
      guildId: guild.id,
      channelId: channel.id,
      userId: member,
      content: 'hi',
    });
    const role = guild.roles.cache.find(({ name }) => name === 'Moderator');
    const text = `@everyone <@&${role?.id}> hello`;
    const reply = await channel.send({ content: text, reply: { messageReference: messageId } });
    assert.equal(reply.reference?.messageId, messageId);
    assert.equal((await reply.fetchReference()).content, 'hi');
    assert.deepEqual([reply.mentions.everyone, [...reply.mentions.roles.keys()]], [true, [role?.id]]);
    assert.equal(reply.mentions.repliedUser?.id, member);
    const quiet = {
      content: text,
      allowedMentions: { parse: [], repliedUser: false },
      reply: { messageReference: messageId },
    };
    const silent = (await guild.channels.cache.at(1)?.fetch()) as TextChannel;
    const unheard = await silent.send({ ...quiet, reply: { messageReference: messageId } });
    assert.deepEqual(
      [unheard.mentions.everyone, unheard.mentions.roles.size, unheard.mentions.users.size],
      [false, 0, 0],
    );
    const nothing = { messageReference: '1', failIfNotExists: true };
    await assert.rejects(channel.send({ content: 'x', reply: nothing }), /REPLIES_UNKNOWN_MESSAGE/);
    const plain = await channel.send({ content: 'x', reply: { ...nothing, failIfNotExists: false } });
    assert.equal(plain.reference, null);
  });

  test('a message with an enforced nonce is not posted twice', async () => {
    const at = guild.channels.cache.at(2) as TextChannel;
    const first = await at.send({ content: 'once', nonce: '7', enforceNonce: true });
    const second = await at.send({ content: 'once', nonce: '7', enforceNonce: true });
    assert.equal(second.id, first.id);
    assert.equal((await at.messages.fetch({ limit: 10 })).size, 1);
  });

  test('reactions are stored, counted and sent as events', async () => {
    const message = await (guild.channels.cache.at(3) as TextChannel).send('react to me');
    const added = heard<[{ emoji: { name: string } }, { id: string }]>(
      Events.MessageReactionAdd,
      (_, { id }) => id === member,
    );
    await message.react('🔥');
    simulator.events.reactionAdd(message.id, member, '🔥');
    assert.equal((await added)[0].emoji.name, '🔥');
    const fetched = await message.fetch(true);
    assert.deepEqual([fetched.reactions.cache.get('🔥')?.count, fetched.reactions.cache.get('🔥')?.me], [2, true]);
    const users = await fetched.reactions.cache.get('🔥')?.users.fetch();
    assert.deepEqual([...(users?.keys() ?? [])].toSorted(), [simulator.applicationId, member].toSorted());
    const removed = heard<[unknown, { id: string }]>(Events.MessageReactionRemove);
    await fetched.reactions.cache.get('🔥')?.users.remove(member);
    assert.equal((await removed)[1].id, member);
    const cleared = heard(Events.MessageReactionRemoveAll);
    await message.reactions.removeAll();
    await cleared;
    assert.equal((await message.fetch(true)).reactions.cache.size, 0);
    await assert.rejects(message.react('no emoji'), { code: 10014 });
  });

  test('messages are listed around one of them', async () => {
    const at = guild.channels.cache.at(2) as TextChannel;
    const place = { guildId: guild.id, channelId: at.id, userId: member };
    const ids = Array.from(
      { length: 7 },
      (_, i) => simulator.events.messageCreate({ ...place, content: `${i}` }).messageId,
    );
    const found = await at.messages.fetch({ around: ids[3] as string, limit: 3 });
    assert.deepEqual([...found.keys()], [ids[4], ids[3], ids[2]]);
    const edited = heard<[Message, Message]>(Events.MessageUpdate);
    simulator.events.messageEdit(ids[3] as string, 'changed');
    assert.deepEqual(
      (await edited).map(({ content }) => content),
      ['3', 'changed'],
    );
    const gone = heard<[Message]>(Events.MessageDelete);
    simulator.events.messageDelete(ids[3] as string);
    assert.equal((await gone)[0].id, ids[3]);
  });

  test('channels are created with overwrites, changed and deleted, each with an event', async () => {
    const category = await guild.channels.create({ name: 'Tickets', type: ChannelType.GuildCategory });
    const created = heard<[{ name: string }]>(Events.ChannelCreate, ({ name }) => name === 'ticket-1');
    const ticket = await guild.channels.create({
      name: 'ticket-1',
      parent: category,
      permissionOverwrites: [
        { id: guild.id, deny: [ViewChannel] },
        { id: member, type: OverwriteType.Member, allow: [ViewChannel] },
        { id: simulator.applicationId, type: OverwriteType.Member, allow: [ViewChannel] },
      ],
    });
    await created;
    const person = await guild.members.fetch(member);
    const other = await guild.members.fetch(simulator.guilds.at(0).memberIds[1] as string);
    assert.deepEqual(
      [ticket.permissionsFor(person).has(ViewChannel), ticket.permissionsFor(other).has(ViewChannel)],
      [true, false],
    );
    await ticket.permissionOverwrites.edit(member, { SendMessages: false });
    const interaction = simulator.interactions.create({
      ...{ kind: 'command', name: 'x', guildId: guild.id, channelId: ticket.id, userId: member },
    });
    const permissions = BigInt((interaction.payload.member as { permissions: string }).permissions);
    assert.deepEqual([permissions & ViewChannel, permissions & SendMessages], [ViewChannel, 0n]);
    const changed = heard<[TextChannel, TextChannel]>(Events.ChannelUpdate, (_, now) => now.name === 'closed-1');
    // Not through the library, which would change its own object before the event arrives.
    const edit = { name: 'closed-1', topic: 'done', rate_limit_per_user: 5 };
    assert.equal((await call(simulator, 'PATCH', `/channels/${ticket.id}`, edit)).status, 200);
    const [before, now] = await changed;
    assert.deepEqual([before.name, now.name, now.topic, now.rateLimitPerUser], ['ticket-1', 'closed-1', 'done', 5]);
    await ticket.permissionOverwrites.delete(member);
    await assert.rejects(call404(`/channels/${ticket.id}/permissions/${member}`, 'DELETE'), /10009/);
    await ticket.send('still here');
    const deleted = heard<[{ id: string }]>(Events.ChannelDelete);
    await ticket.delete();
    assert.equal((await deleted)[0].id, ticket.id);
    await assert.rejects(call404(`/channels/${ticket.id}`, 'GET'), /10003/);
    await assert.rejects(guild.channels.create({ name: 'x', parent: '1' }), /CHANNEL_PARENT_INVALID/);
  });

  async function call404(path: string, method: string): Promise<void> {
    const { status, json } = await call(simulator, method, path);
    throw new Error(`${status} ${json?.code}`);
  }

  test('roles are created, ordered, changed and deleted', async () => {
    const muted = await guild.roles.create({ name: 'Muted', permissions: [], colors: { primaryColor: 0xff0000 } });
    assert.deepEqual([muted.name, muted.permissions.bitfield, muted.colors.primaryColor], ['Muted', 0n, 0xff0000]);
    const person = await guild.members.fetch(member);
    await person.roles.add(muted);
    const changed = heard<[{ name: string }, { name: string }]>(
      Events.GuildRoleUpdate,
      (_, now) => now.name === 'Quiet',
    );
    await muted.edit({ name: 'Quiet', mentionable: true });
    await changed;
    assert.equal((await guild.roles.fetch(muted.id, { force: true }))?.mentionable, true);
    await muted.setPosition(2);
    const deleted = heard<[{ id: string }]>(Events.GuildRoleDelete);
    await muted.delete();
    assert.equal((await deleted)[0].id, muted.id);
    assert.ok(!(await guild.members.fetch({ user: member, force: true })).roles.cache.has(muted.id));
    const everyone = await call(simulator, 'DELETE', `/guilds/${guild.id}/roles/${guild.id}`);
    assert.deepEqual([everyone.status, everyone.json.code], [400, 50028]);
  });

  test('pins are stored under both paths, sent as events and announced', async () => {
    const at = guild.channels.cache.at(1) as TextChannel;
    const message = await at.send('keep this');
    const told = heard(Events.ChannelPinsUpdate);
    await message.pin('it is good');
    await told;
    const pins = await at.messages.fetchPins();
    assert.deepEqual([pins.items.map((pin) => pin.message.id), pins.hasMore], [[message.id], false]);
    const old = await call(simulator, 'GET', `/channels/${at.id}/pins`);
    assert.deepEqual(
      old.json.map(({ id }: { id: string }) => id),
      [message.id],
    );
    assert.equal((await at.messages.fetch({ limit: 1 })).first()?.type, 6);
    assert.equal((await call(simulator, 'DELETE', `/channels/${at.id}/pins/${message.id}`)).status, 204);
    assert.equal((await at.messages.fetchPins()).items.length, 0);
  });

  test('a webhook posts under its own name, edits, deletes, and can be looked up', async () => {
    const updated = heard(Events.WebhooksUpdate);
    const webhook = await channel.createWebhook({ name: 'Starboard' });
    await updated;
    assert.equal(webhook.token?.length, 68);
    const sent = await webhook.send({ content: 'a star', username: 'Stars' });
    assert.deepEqual([sent.author.username, sent.webhookId, sent.content], ['Stars', webhook.id, 'a star']);
    assert.equal((await webhook.editMessage(sent.id, 'two stars')).content, 'two stars');
    assert.equal((await webhook.fetchMessage(sent.id)).content, 'two stars');
    await webhook.deleteMessage(sent.id);
    assert.equal((await channel.fetchWebhooks()).get(webhook.id)?.applicationId, simulator.applicationId);
    assert.equal((await guild.fetchWebhooks()).size, 1);
    const wrong = await call(simulator, 'POST', `/webhooks/${webhook.id}/wrong`, { content: 'x' }, null);
    assert.deepEqual([wrong.status, wrong.json.code], [401, 50027]);
    await webhook.delete();
    const gone = await call(simulator, 'POST', `/webhooks/${webhook.id}/${webhook.token}`, { content: 'x' }, null);
    assert.deepEqual([gone.status, gone.json.code], [404, 10015]);
  });

  test('invites are created, counted, looked up and deleted', async () => {
    const created = heard<[{ code: string }]>(Events.InviteCreate);
    const invite = await guild.invites.create(channel, { maxAge: 0, maxUses: 5, unique: true });
    assert.equal((await created)[0].code, invite.code);
    assert.deepEqual([invite.maxAge, invite.maxUses, invite.uses], [0, 5, 0]);
    assert.deepEqual([...(await guild.invites.fetch()).keys()], [invite.code]);
    assert.equal((await client.fetchInvite(invite.code)).guild?.id, guild.id);
    const stranger = simulator.world.people.find((id) => !simulator.guilds.at(0).members.has(id)) as string;
    simulator.events.memberJoin(guild.id, stranger, invite.code);
    assert.equal((await guild.invites.fetch({ code: invite.code, force: true })).uses, 1);
    simulator.events.memberLeave(guild.id, stranger);
    const deleted = heard(Events.InviteDelete);
    await invite.delete();
    await deleted;
    await assert.rejects(client.fetchInvite(invite.code), { code: 10006 });
  });

  test('threads are opened from messages and without, written to, archived and listed', async () => {
    const message = await (guild.channels.cache.at(3) as TextChannel).send('a topic');
    const opened = heard<[{ id: string }]>(Events.ThreadCreate);
    const thread = await message.startThread({ name: 'About it', autoArchiveDuration: 60 });
    assert.equal((await opened)[0].id, message.id, 'a thread has the id of its message');
    await thread.send('inside');
    await thread.members.add(member);
    assert.equal((await thread.members.fetch()).size, 2);
    assert.ok((await guild.channels.fetchActiveThreads()).threads.has(thread.id));
    const archived = heard(Events.ThreadUpdate);
    await thread.setArchived(true);
    await archived;
    const parent = thread.parent as TextChannel;
    assert.ok((await parent.threads.fetchArchived()).threads.has(thread.id));
    await thread.delete();
    const forum = await guild.channels.create({ name: 'help', type: ChannelType.GuildForum });
    const post = await forum.threads.create({ name: 'How?', message: { content: 'tell me' } });
    assert.equal((await post.fetchStarterMessage())?.content, 'tell me');
    const inForum = await call(simulator, 'POST', `/channels/${forum.id}/messages`, { content: 'x' });
    assert.deepEqual([inForum.status, inForum.json.code], [400, 40058]);
  });

  test('a ban deletes recent messages, and bans are paged', async () => {
    const [, banned = '', second = ''] = simulator.guilds.at(0).memberIds;
    const place = { guildId: guild.id, channelId: channel.id, content: 'spam' };
    const { messageId } = simulator.events.messageCreate({ ...place, userId: banned });
    const bulk = heard<[Map<string, unknown>]>(Events.MessageBulkDelete);
    await guild.members.ban(banned, { deleteMessageSeconds: 3600, reason: 'spam' });
    assert.ok((await bulk)[0].has(messageId));
    await guild.members.ban(second);
    const sorted = [banned, second].toSorted((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));
    assert.deepEqual([...(await guild.bans.fetch({ limit: 1, after: sorted[0] as string })).keys()], [sorted[1]]);
    assert.equal((await guild.bans.fetch(banned)).reason, 'spam');
  });

  test("the bot's actions are in the audit log with their reasons", async () => {
    const entry = heard<[{ action: number; reason: string | null }, Guild]>(Events.GuildAuditLogEntryCreate);
    const target = simulator.guilds.at(0).memberIds[3] as string;
    await guild.members.kick(target, 'bad manners, ümlaut');
    assert.deepEqual(
      [(await entry)[0].action, (await entry)[0].reason],
      [AuditLogEvent.MemberKick, 'bad manners, ümlaut'],
    );
    const kicks = await guild.fetchAuditLogs({ type: AuditLogEvent.MemberKick, limit: 1 });
    const kick = kicks.entries.first();
    assert.deepEqual(
      [kick?.targetId, kick?.executorId, kick?.reason],
      [target, simulator.applicationId, 'bad manners, ümlaut'],
    );
    const role = await guild.roles.create({ name: 'Helper' });
    await (await guild.members.fetch(member)).roles.add(role);
    await role.setName('Guide');
    const [renamed, added] = (await guild.fetchAuditLogs({ limit: 2 })).entries.values();
    assert.deepEqual(added?.changes, [{ key: '$add', new: [{ id: role.id, name: 'Helper' }] }]);
    assert.deepEqual(renamed?.changes, [{ key: 'name', old: 'Helper', new: 'Guide' }]);
    assert.ok((await guild.fetchAuditLogs()).entries.size > 1, 'with what other tests did');
  });

  test('emojis are created, listed, renamed and deleted', async () => {
    const told = heard(Events.GuildEmojiCreate);
    const emoji = await guild.emojis.create({ name: 'party', attachment: Buffer.from('GIF89a') });
    await told;
    assert.deepEqual(
      [...(await guild.emojis.fetch()).values()].map(({ name }) => name),
      ['party'],
    );
    assert.equal((await emoji.edit({ name: 'calm' })).name, 'calm');
    await emoji.delete();
    await assert.rejects(guild.emojis.fetch(emoji.id, { force: true }), { code: 10014 });
  });

  test('the application has emojis of its own', async () => {
    const emoji = await client.application?.emojis.create({ name: 'own', attachment: Buffer.from('GIF89a') });
    assert.deepEqual([...((await client.application?.emojis.fetch())?.keys() ?? [])], [emoji?.id]);
    await emoji?.delete();
    assert.equal((await client.application?.emojis.fetch())?.size, 0);
  });

  test('stickers are made, listed, renamed and deleted', async () => {
    const told = heard(Events.GuildStickerCreate);
    const file = { attachment: Buffer.from('png'), name: 'party.png' };
    const sticker = await guild.stickers.create({ file, name: 'party', tags: 'tada' });
    await told;
    assert.deepEqual([...(await guild.stickers.fetch()).keys()], [sticker.id]);
    const sent = await (guild.channels.cache.at(1) as TextChannel).send({ stickers: [sticker] });
    assert.equal(sent.stickers.first()?.name, 'party');
    assert.equal((await sticker.edit({ name: 'calm' })).name, 'calm');
    await sticker.delete();
    await assert.rejects(guild.stickers.fetch(sticker.id, { force: true }), { code: 10060 });
  });

  test('users join and leave, and may reject direct messages', async () => {
    const stranger = simulator.world.people.find((id) => !simulator.guilds.at(0).members.has(id)) as string;
    const joined = heard<[{ id: string }]>(Events.GuildMemberAdd);
    simulator.events.memberJoin(guild.id, stranger);
    assert.equal((await joined)[0].id, stranger);
    const left = heard<[{ id: string }]>(Events.GuildMemberRemove, ({ id }) => id === stranger);
    simulator.events.memberLeave(guild.id, stranger);
    await left;
    simulator.world.closedToDirectMessages.add(member);
    const person = await client.users.fetch(member);
    await assert.rejects(person.send('hello'), { code: 50007 });
  });

  test('a guild that the bot leaves is removed, and others stay', async () => {
    const other = client.guilds.cache.find(({ id }) => id !== guild.id) as Guild;
    const deleted = heard<[Guild]>(Events.GuildDelete);
    await other.leave();
    assert.equal((await deleted)[0].id, other.id);
    assert.deepEqual([simulator.guilds.size, client.guilds.cache.size], [2, 2]);
    const counted = await call(simulator, 'GET', `/guilds/${guild.id}?with_counts=true`);
    assert.ok(counted.json.approximate_member_count > 1);
    assert.equal((await call(simulator, 'GET', `/guilds/${other.id}`)).status, 404);
  });
});

test('a field and an opcode that have no effect in the simulator are counted, too', async () => {
  await using simulator = await startDiscordSimulator({ guilds: 1 });
  const guild = simulator.guilds.at(0);
  const poll = { question: { text: '?' }, answers: [] };
  const sent = await call(simulator, 'POST', `/channels/${guild.channels[0]?.id}/messages`, { content: 'x', poll });
  assert.equal(sent.status, 200);
  await call(simulator, 'PATCH', `/guilds/${guild.id}`, { name: 'Renamed', unheard_of: 1 });
  await using client = await loginClient(simulator);
  client.guilds.cache.first()?.shard.send({ op: 43, d: { guild_id: guild.id, fields: [] } });
  await until('the opcode', () => simulator.stats().unknownRoutes['gateway opcode 43'] === 1);
  assert.deepEqual(simulator.stats().unknownRoutes, {
    'POST /channels/:channel/messages: poll': 1,
    'PATCH /guilds/:guild: unheard_of': 1,
    'gateway opcode 43': 1,
  });
});

test('a route that the simulator lacks is counted and logged once, and every response names a proxy', async () => {
  const logged: unknown[] = [];
  const log = (event: string, facts: object) => event === 'not simulated' && logged.push(facts);
  await using simulator = await startDiscordSimulator({ guilds: 1, log });
  const told: string[] = [];
  simulator.watch((event) => event.type === 'unknown_route' && told.push(event.route));
  const { id } = simulator.guilds.at(0);
  for (let i = 0; i < 2; i++) {
    const { status, headers } = await call(simulator, 'GET', `/guilds/${id}/templates?x=1`);
    assert.equal(status, 404);
    assert.equal(headers.get('via'), '1.1 google');
  }
  const route = 'GET /guilds/:id/templates';
  assert.deepEqual(simulator.stats().unknownRoutes, { [route]: 2 });
  await until('the feed', () => told.length > 0);
  assert.deepEqual([told, logged], [[route], [{ what: route }]]);
});
