import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  ActivityType,
  ChannelType,
  type Client,
  Events,
  GatewayDispatchEvents,
  GatewayIntentBits,
  type Guild,
  type Presence,
  type TextChannel,
  type VoiceState,
} from 'discord.js';
import {
  type DiscordSimulator,
  type SimulatedGuild,
  startDiscordSimulator,
} from '../../../../testkit/discord/index.ts';
import { heard, loginClient } from '../../../support/discordjs.ts';
import { call, until } from '../../../support/simulator.ts';

describe('voice states, presences and member chunks, by the real discord.js', () => {
  let simulator: DiscordSimulator;
  let client: Client<true> & AsyncDisposable;
  let simulated: SimulatedGuild;
  let guild: Guild;
  let lounge: string;

  before(async () => {
    simulator = await startDiscordSimulator({ guilds: 2, identifyWindowMs: 0, globalRequestsPerSecond: 1_000 });
    client = await loginClient(simulator, {
      presence: { status: 'idle', activities: [{ name: 'the rain', type: ActivityType.Listening }] },
    });
    simulated = simulator.guilds.at(0);
    guild = client.guilds.cache.get(simulated.id) as Guild;
    lounge = simulated.channels.find(({ type }) => type === ChannelType.GuildVoice)?.id as string;
  });
  after(async () => {
    await client.destroy();
    await simulator.stop();
    assert.deepEqual(simulator.stats().unknownRoutes, {});
  });

  /** What @discordjs/voice sends, and Lavalink clients. */
  const join = (channelId: string | null): void =>
    guild.shard.send({ op: 4, d: { guild_id: guild.id, channel_id: channelId, self_mute: false, self_deaf: true } });

  test("presences: the bot's own from the identify and later, and those of users", async () => {
    assert.equal(simulator.world.presences.get(simulator.applicationId).status, 'idle');
    client.user.setPresence({ status: 'dnd', activities: [{ name: 'x', type: ActivityType.Custom, state: 'busy' }] });
    await until('the presence', () => simulator.world.presences.get(simulator.applicationId).status === 'dnd');
    const [activity] = simulator.world.presences.get(simulator.applicationId).activities as { state: string }[];
    assert.equal(activity?.state, 'busy');
    const user = simulated.memberIds[1] as string;
    simulator.events.presence(user, { status: 'online', activities: [] });
    const changed = heard<[Presence | null, Presence]>(client, Events.PresenceUpdate, (_, now) => now.userId === user);
    simulator.events.presence(user, { status: 'dnd', activities: [{ name: 'Chess', type: 0 }] });
    const [, now] = await changed;
    assert.deepEqual([now.status, now.activities[0]?.name], ['dnd', 'Chess']);
    await using second = await loginClient(simulator);
    const seen = second.guilds.cache.get(guild.id);
    assert.equal(seen?.presences.cache.get(user)?.status, 'dnd');
    assert.equal(seen?.members.cache.size, simulated.members.size, 'with presences come all members');
  });

  test('the bot joins a voice channel, gets a voice server, moves, and leaves', async () => {
    const server = heard<[{ endpoint: string; token: string }]>(client, GatewayDispatchEvents.VoiceServerUpdate);
    client.ws.on(GatewayDispatchEvents.VoiceServerUpdate, (data) =>
      client.emit(GatewayDispatchEvents.VoiceServerUpdate as never, data as never),
    );
    const joined = heard<[VoiceState, VoiceState]>(client, Events.VoiceStateUpdate);
    join(lounge);
    const [, state] = await joined;
    assert.deepEqual([state.channelId, state.selfDeaf, state.id], [lounge, true, simulator.applicationId]);
    assert.ok((await server)[0].token.length > 0);
    assert.equal(guild.members.me?.voice.channel?.id, lounge);
    const stage = await guild.channels.create({ name: 'Talk', type: ChannelType.GuildStageVoice });
    const moved = heard<[VoiceState, VoiceState]>(client, Events.VoiceStateUpdate);
    join(stage.id);
    assert.deepEqual([(await moved)[1].channelId, (await moved)[1].suppress], [stage.id, true]);
    const speaks = heard<[VoiceState, VoiceState]>(client, Events.VoiceStateUpdate);
    await guild.members.me?.voice.setSuppressed(false);
    assert.equal((await speaks)[1].suppress, false);
    const left = heard<[VoiceState, VoiceState]>(client, Events.VoiceStateUpdate);
    await stage.delete();
    assert.equal((await left)[1].channelId, null, 'the channel is gone');
    join(simulated.channels[0]?.id as string);
    join(lounge);
    const back = heard(client, Events.VoiceStateUpdate);
    await back;
    assert.equal(guild.members.me?.voice.channelId, lounge, 'a text channel is ignored');
    const gone = heard<[VoiceState, VoiceState]>(client, Events.VoiceStateUpdate);
    join(null);
    assert.equal((await gone)[1].channelId, null);
  });

  test('members in voice channels are muted, moved and disconnected; new sessions see them', async () => {
    const [user = '', other = ''] = simulated.memberIds;
    const joined = heard(client, Events.VoiceStateUpdate);
    simulator.events.voice(guild.id, user, { channel_id: lounge });
    await joined;
    const member = await guild.members.fetch(user);
    assert.equal(member.voice.channelId, lounge);
    const muted = heard<[VoiceState, VoiceState]>(client, Events.VoiceStateUpdate);
    await member.voice.setMute(true, 'noise');
    assert.deepEqual([(await muted)[0].serverMute, (await muted)[1].serverMute], [false, true]);
    const elsewhere = await guild.channels.create({ name: 'Elsewhere', type: ChannelType.GuildVoice });
    await member.voice.setChannel(elsewhere);
    await until('the move', () => member.voice.channelId === elsewhere.id);
    {
      await using second = await loginClient(simulator, {
        intents: [GatewayIntentBits.Guilds, GatewayIntentBits.GuildVoiceStates],
      });
      const voices = second.guilds.cache.get(guild.id)?.channels.cache.get(elsewhere.id);
      assert.ok(voices?.isVoiceBased());
      assert.deepEqual([...voices.members.keys()], [user]);
    }
    await member.voice.disconnect();
    await until('the end', () => member.voice.channelId === null);
    const refused = await call(simulator, 'PATCH', `/guilds/${guild.id}/members/${other}`, { mute: true });
    assert.deepEqual([refused.status, refused.json.code], [400, 40_032]);
  });

  test('members are fetched by name, by id and all together, with presences; without the intent not', async () => {
    const members = await guild.members.fetch({ withPresences: true });
    assert.equal(members.size, simulated.members.size);
    const one = members.first();
    assert.ok(one !== undefined);
    const found = await guild.members.fetch({ query: one.user.username.slice(0, 4), limit: 10 });
    assert.ok(found.has(one.id));
    const ids = [one.id, '1'];
    assert.deepEqual([...(await guild.members.fetch({ user: ids })).keys()], [one.id]);
    const renamed = heard<[unknown, { nickname: string }]>(client, Events.GuildMemberUpdate);
    simulator.events.memberUpdate(guild.id, one.id, { nick: 'Zyx' });
    assert.equal((await renamed)[1].nickname, 'Zyx');
    assert.ok((await guild.members.fetch({ query: 'zy', limit: 1 })).has(one.id), 'also by nickname');
    await using second = await loginClient(simulator, { intents: [GatewayIntentBits.Guilds] });
    const few = second.guilds.cache.get(guild.id) as Guild;
    assert.deepEqual([...few.members.cache.keys()], [simulator.applicationId]);
    await assert.rejects(few.members.fetch({ time: 50 }), { code: 'GuildMembersTimeout' });
    assert.equal(simulator.violations.count('gateway_protocol'), 1);
    // Its own member reaches the bot without the intent.
    const own = heard<[unknown, { nickname: string }]>(second, Events.GuildMemberUpdate);
    await few.members.me?.setNickname('helper');
    assert.equal((await own)[1].nickname, 'helper');
    // Of the members of a thread it hears only about itself.
    const channel = few.channels.cache.get(simulated.channels[0]?.id as string) as TextChannel;
    const thread = await channel.threads.create({ name: 'x' });
    const changes: string[][] = [];
    second.on(Events.ThreadMembersUpdate, (added, removed) => changes.push([...added.keys(), ...removed.keys()]));
    await thread.members.add(one.id);
    const left = heard(second, Events.ThreadMembersUpdate);
    await thread.leave();
    await left;
    assert.deepEqual(changes, [[simulator.applicationId]]);
  });

  test('the bot joins a new guild and is removed from it', async () => {
    const joined = heard<[Guild]>(client, Events.GuildCreate);
    const { id } = simulator.events.botJoin();
    const [created] = await joined;
    assert.deepEqual([created.id, created.available, created.members.me?.id], [id, true, simulator.applicationId]);
    assert.ok((await client.guilds.fetch()).has(id));
    const left = heard<[Guild]>(client, Events.GuildDelete);
    simulator.events.botLeave(id);
    assert.equal((await left)[0].id, id);
    const updated = heard<[Guild, Guild]>(client, Events.GuildUpdate);
    await guild.edit({ name: 'Renamed', afkTimeout: 60 });
    assert.deepEqual([(await updated)[1].name, (await updated)[1].afkTimeout], ['Renamed', 60]);
  });
});
