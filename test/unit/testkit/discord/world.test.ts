import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { discordShard } from '../../../../src/routing/discord-shards.ts';
import { isSnowflake } from '../../../../src/routing/snowflake.ts';
import {
  SnowflakeSource,
  shardOf,
  snowflakeAfter,
  snowflakeAt,
  snowflakeTime,
} from '../../../../testkit/discord/snowflake.ts';
import { ALL_PERMISSIONS, mayUseCommand, memberPermissions } from '../../../../testkit/discord/world/permissions.ts';
import { World } from '../../../../testkit/discord/world/world.ts';

const createWorld = (guilds: number, seed = 1) =>
  new World({ seed, guilds, applicationId: '1080278231547908097', botPermissions: 8n });

describe('snowflakes', () => {
  test('contain their creation time', () => {
    // The example of Discord's reference: 175928847299117063 was made at 2016-04-30 11:18:25.796 UTC.
    assert.equal(new Date(snowflakeTime('175928847299117063')).toISOString(), '2016-04-30T11:18:25.796Z');
    assert.equal(snowflakeAt(Date.UTC(2016, 3, 30, 11, 18, 25, 796), (1 << 17) | 7), '175928847299117063');
    assert.equal(snowflakeAfter('175928847299117063', 8), '175928847299117071');
  });

  test('increase strictly, even within a millisecond and when the clock goes back', () => {
    let now = Date.UTC(2026, 0, 1);
    const source = new SnowflakeSource({ now: () => now });
    let last = 0n;
    for (let i = 0; i < 10_000; i++) {
      if (i === 9000) now -= 5000;
      const id = BigInt(source.next());
      assert.ok(id > last);
      last = id;
    }
    assert.ok(Math.abs(snowflakeTime(String(last)) - now) < 5100);
  });

  test('belong to the shard that the routing computes', () => {
    for (const id of createWorld(500).guilds.ids) {
      for (const shards of [1, 2, 3, 16, 64]) assert.equal(shardOf(id, shards), discordShard(id, shards));
    }
    assert.equal(shardOf(null, 7), 0);
  });
});

describe('the world', () => {
  test('is the same for the same seed, and different for another', () => {
    const describeGuild = (world: World, index: number) => {
      const { id, name, members, channels } = world.guilds.at(index);
      return { id, name, members: [...members.keys()], channels: channels.map((channel) => channel.id) };
    };
    assert.deepEqual(describeGuild(createWorld(30), 17), describeGuild(createWorld(30), 17));
    assert.notDeepEqual(describeGuild(createWorld(30), 17), describeGuild(createWorld(30, 2), 17));
  });

  test('has valid and different ids over many years', () => {
    const world = createWorld(2000);
    assert.equal(new Set(world.guilds.ids).size, 2000);
    assert.ok(world.guilds.ids.every(isSnowflake));
    const years = new Set(world.guilds.ids.map((id) => new Date(snowflakeTime(id)).getUTCFullYear()));
    assert.ok(years.size >= 10, `guilds of ${[...years].sort()}`);
  });

  test('has an owner, an administrator, a moderator and members in every guild, each with their permissions', () => {
    for (const guild of createWorld(50).guilds) {
      const [owner, admin] = guild.adminIds as [string, string];
      const moderator = guild.moderatorIds[0] as string;
      const member = guild.memberIds[0] as string;
      assert.equal(owner, guild.ownerId);
      assert.equal(new Set([owner, admin, moderator, ...guild.memberIds]).size, guild.members.size - 1);
      const ban = String(1 << 2);
      const may = [owner, admin, moderator, member, '42'].map((id) => mayUseCommand(guild, id, ban));
      assert.deepEqual(may, [true, true, true, false, false]);
      assert.deepEqual([mayUseCommand(guild, moderator, '0'), mayUseCommand(guild, admin, '0')], [false, true]);
      assert.equal(mayUseCommand(guild, member, null), true);
      assert.ok(memberPermissions(guild, member) > 0n);
      assert.equal(memberPermissions(guild, '1080278231547908097'), ALL_PERMISSIONS, 'as its role is an administrator');
    }
  });

  test('finds a channel by its id, even in a guild that was not used yet', () => {
    const first = createWorld(30);
    const { id, channels } = first.guilds.at(11);
    const channel = createWorld(30).channel(channels[2]?.id ?? '');
    assert.ok(channel !== undefined && 'guild_id' in channel);
    assert.equal(channel.guild_id, id);
    const person = first.people[3] as string;
    assert.equal(first.channel(first.directChannel(person).id)?.type, 1);
    assert.equal(first.channel('123456789012345678'), undefined);
  });

  test('knows any other guild and user, separate from those of the bot', () => {
    const world = createWorld(3);
    const stranger = world.anyGuild('18446744073709551615');
    assert.deepEqual([stranger.joined, world.guild(stranger.id), world.guilds.size], [false, undefined, 3]);
    assert.equal(stranger.members.has(world.bot.id), false);
    assert.equal(world.user('42').id, '42');
  });

  test('costs nothing for guilds that are not used', () => {
    const startedAt = performance.now();
    const world = createWorld(200_000);
    assert.ok(world.guilds.at(199_999).name);
    const shards = Array.from({ length: 80 }, (_, shard) => world.guildsOfShard(shard, 80).length);
    assert.equal(
      shards.reduce((sum, count) => sum + count, 0),
      200_000,
    );
    assert.ok(
      Math.max(...shards) <= 2800 && Math.min(...shards) >= 2200,
      `${Math.min(...shards)}-${Math.max(...shards)} a shard`,
    );
    assert.ok(performance.now() - startedAt < 5000);
  });
});
