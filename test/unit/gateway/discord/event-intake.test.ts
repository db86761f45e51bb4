import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GatewayDispatchPayload } from 'discord-api-types/v10';
import { Registry } from 'prom-client';
import { EventIntake, MAX_PENDING_EVENTS } from '../../../../src/gateway/discord/event-intake.ts';
import { OwnedGuilds } from '../../../../src/gateway/discord/guilds.ts';
import { createSessionMetrics } from '../../../../src/gateway/discord/metrics.ts';
import { ShardSessions } from '../../../../src/gateway/discord/sessions.ts';
import type { ForwardSink, GuildEvent } from '../../../../src/gateway/discord-seam.ts';
import { createTopology, type Topology } from '../../../../src/routing/topology.ts';
import { MemoryHandled, MemorySessions } from '../../../support/discord-pod.ts';
import { ownershipOf } from '../../../support/ownership.ts';
import { silent } from '../../../support/store.ts';

test('when room appears while a session is being left, no event overtakes a rejected one', async () => {
  const store = new MemorySessions();
  const sessions = new ShardSessions(store);
  sessions.start({ shardId: 0, shardCount: 1, sessionId: 's', sequence: 0, resumeURL: 'ws://localhost' });
  const release = Promise.withResolvers<void>();
  const taken: number[] = [];
  const left: number[] = [];
  const metrics = createSessionMetrics(new Registry(), { states: () => [], pending: () => 0 });
  const intake = new EventIntake({
    ownership: ownershipOf(0, createTopology({ strategy: 'md5', pods: 1 })),
    handled: new MemoryHandled(),
    skewMs: 2_000,
    log: silent,
    sessions,
    guilds: new OwnedGuilds(store),
    dispatch: ({ sequence }) => {
      taken.push(sequence);
      return release.promise;
    },
    forward: () => Promise.reject(new Error('no other pod owns a guild')),
    metrics: () => metrics,
    onFull: (shard) => left.push(shard),
  });
  const event = (s: number) =>
    intake.take({ op: 0, t: 'MESSAGE_CREATE', s, d: { guild_id: '1' } } as unknown as GatewayDispatchPayload, 0);
  for (let s = 1; s <= MAX_PENDING_EVENTS + 1; s++) event(s);
  assert.deepEqual(left, [0]);
  release.resolve();
  await intake.finished();
  // Still from the connection that is being left.
  event(MAX_PENDING_EVENTS + 2);
  assert.equal(taken.at(-1), MAX_PENDING_EVENTS);
  assert.equal(sessions.retrieve(0)?.sequence, MAX_PENDING_EVENTS, 'so it is resumed from there');
  await intake.whenRoomy(0);
  for (const s of [MAX_PENDING_EVENTS, MAX_PENDING_EVENTS + 1, MAX_PENDING_EVENTS + 2, MAX_PENDING_EVENTS + 2])
    event(s);
  assert.deepEqual(taken.slice(MAX_PENDING_EVENTS), [MAX_PENDING_EVENTS + 1, MAX_PENDING_EVENTS + 2], 'each once');
});

test("an event of another owner's guild is forwarded if the owner does not receive it, and acknowledged only once it is stored", async () => {
  // Owned by pod 1 of both topologies.
  const guild = '102860784345829376';
  const take = async (topology: Topology, forward: ForwardSink) => {
    const store = new MemorySessions();
    const sessions = new ShardSessions(store);
    sessions.shardCount = 2;
    sessions.start({ shardId: 0, shardCount: 2, sessionId: 's', sequence: 4, resumeURL: 'ws://localhost' });
    const metrics = createSessionMetrics(new Registry(), { states: () => [], pending: () => 0 });
    const intake = new EventIntake({
      ...{
        ownership: ownershipOf(0, topology),
        handled: new MemoryHandled(),
        skewMs: 2_000,
        log: silent,
        sessions,
        guilds: new OwnedGuilds(store),
        metrics: () => metrics,
      },
      dispatch: () => Promise.reject(new Error('not of this pod')),
      forward,
      onFull: () => {},
    });
    const payload = { op: 0, t: 'ENTITLEMENT_CREATE', s: 5, d: { guild_id: guild } };
    intake.take(payload as unknown as GatewayDispatchPayload, 0);
    await intake.finished();
    sessions.persist();
    return store.rows.get(0)?.sequence;
  };
  const forwarded: GuildEvent[] = [];
  const keep = async (event: GuildEvent) => void forwarded.push(event);
  const discordShard = createTopology({ strategy: 'discord-shard', pods: 2, shards: 2 });
  assert.equal(discordShard.ownerOf(guild), 1);
  assert.equal(await take(discordShard, keep), 5);
  assert.deepEqual(forwarded, [
    { name: 'ENTITLEMENT_CREATE', data: { guild_id: guild }, guildId: guild, shard: 0, sessionId: 's', sequence: 5 },
  ]);
  assert.equal(await take(discordShard, () => Promise.reject(new Error('ends'))), 4, 'the next process gets it again');
  const md5 = createTopology({ strategy: 'md5', pods: 2 });
  assert.equal(md5.ownerOf(guild), 1);
  assert.equal(await take(md5, keep), 5);
  assert.equal(forwarded.length, 1, 'under md5 the owner has it from Discord');
});
