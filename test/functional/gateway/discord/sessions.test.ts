// Sessions of gateway pods on the simulator, with the real library: who gets which event, and what a restart brings back.
// Of src/gateway/discord/{connections,session-keeper,pause}.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_PENDING_EVENTS } from '../../../../src/gateway/discord/event-intake.ts';
import { createTopology } from '../../../../src/routing/topology.ts';
import { type DiscordSimulator, startDiscordSimulator } from '../../../../testkit/discord/index.ts';
import { isReady, MemorySessions, startDiscordPod } from '../../../support/discord-pod.ts';
import { until } from '../../../support/wait.ts';

const startDiscord = (options = {}) => startDiscordSimulator({ guilds: 12, identifyWindowMs: 0, ...options });

function say(discord: DiscordSimulator, ...contents: string[]): void {
  for (const [i, content] of contents.entries()) {
    const { id: guildId } = discord.guilds.at(i % discord.guilds.size);
    discord.events.messageCreate({ guildId, content });
  }
}

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => String(from + i));

for (const strategy of ['md5', 'discord-shard'] as const) {
  test(`${strategy}: every guild's events are handled by its owner, and those of others go no further`, async () => {
    await using discord = await startDiscord();
    const topology = createTopology({ strategy, pods: 2, ...(strategy === 'md5' ? {} : { shards: 3 }) });
    const env = strategy === 'md5' ? { DISCORD_SHARDS: '2' } : { ROUTING: strategy, DISCORD_SHARDS: '3' };
    // Pod 1's identifies are tested with a real pod 0 elsewhere; here each is pod 0 to itself.
    await using zero = await startDiscordPod(discord, { topology, ordinal: 0, env });
    await until('pod 0 is ready', () => isReady(zero));
    const stored = new MemorySessions();
    await using one = await startDiscordPod(discord, { topology, ordinal: 1, env, store: stored });
    assert.equal(isReady(one), false, 'not ready before it has sessions');
    const shards = discord.gateway.sessions().map(({ shard }) => shard);
    assert.deepEqual(shards.sort(), strategy === 'md5' ? [0, 1] : topology.shardsOf(0));
    say(discord, ...numbers(0, 24));
    discord.events.messageCreate({ guildId: null, content: 'a direct message' });
    const owned = [...discord.guilds].filter(({ id }) => topology.ownerOf(id) === 0).map(({ id }) => id);
    await until('they are handled', () => zero.contents().includes('a direct message'));
    await until('all of them', () => zero.contents().length === owned.length * 2 + 1);
    for (const { guildId } of zero.events) assert.equal(topology.ownerOf(guildId), 0);
    assert.deepEqual([...zero.sessions.guildIds()].sort(), owned.sort());
    // Under discord-shard no event of another pod arrives.
    const foreign = discord.guilds.size - owned.length;
    assert.equal(
      await zero.metric('guildway_discord_events_dropped_total'),
      strategy === 'md5' ? foreign * 3 : 0,
      'GUILD_CREATE and two messages each',
    );
    assert.deepEqual(discord.violations.list(), []);
  });
}

test('an orderly restart resumes: no event is lost or handled twice', async () => {
  await using discord = await startDiscord();
  const store = new MemorySessions();
  const slow = Promise.withResolvers<void>();
  const contents: string[] = [];
  {
    await using pod = await startDiscordPod(discord, { store, handle: () => slow.promise });
    await until('it is ready', () => isReady(pod));
    say(discord, ...numbers(0, 20));
    await until('they are received', () => pod.contents().length === 20);
    let drained = false;
    const draining = Promise.all([pod.sessions.drain(), pod.sessions.drain()]).then(() => {
      drained = true;
    });
    await until(
      'the connection is left',
      () => discord.gateway.sessions({ where: (one) => !one.connected }).length === 1,
    );
    say(discord, ...numbers(20, 30));
    assert.equal(drained, false, 'it waits for the handlers');
    slow.resolve();
    await draining;
    await pod.sessions.drain();
    await pod.sessions.close();
    await pod.sessions.close();
    contents.push(...pod.contents());
    assert.equal(store.rows.get(0)?.sequence, pod.events.at(-1)?.sequence);
  }
  const written = store.writes.length;
  await using pod = await startDiscordPod(discord, { store });
  await until('it is ready', () => isReady(pod));
  await until('what came meanwhile is handled', () => pod.contents().length >= 10);
  say(discord, 'after');
  await until('and what comes now', () => pod.contents().includes('after'));
  assert.deepEqual([...contents, ...pod.contents()], [...numbers(0, 30), 'after']);
  assert.deepEqual(
    discord.gateway.sessions().map(({ resumes }) => resumes),
    [1],
  );
  assert.equal(discord.gateway.identifies().length, 1);
  assert.equal(await pod.metric('guildway_sessions_resumed_total'), 1);
  await until('its progress is stored', () => store.writes.length > written);
});

test('a pod killed before a sequence was stored gets the events again, with the same identity', async () => {
  await using discord = await startDiscord();
  const store = new MemorySessions();
  const stuck = Promise.withResolvers<void>();
  const killed = await startDiscordPod(discord, {
    store,
    handle: ({ name, data }) =>
      name === 'MESSAGE_CREATE' && (data as { content: string }).content === '3' ? stuck.promise : undefined,
  });
  await until('it is ready', () => isReady(killed));
  say(discord, ...numbers(0, 10));
  await until('all but one are handled', () => killed.contents().length === 10);
  const unfinished = killed.events[killed.events.length - 7]?.sequence as number;
  await until('what came before it is stored', () => store.rows.get(0)?.sequence === unfinished - 1);
  // The content of the disk when the process is gone.
  const kept = new MemorySessions();
  kept.rows.set(0, store.rows.get(0) as NonNullable<ReturnType<MemorySessions['read']>>);
  await killed.sessions.close();
  say(discord, 'meanwhile');
  await using pod = await startDiscordPod(discord, { store: kept });
  await until('it goes on', () => pod.contents().includes('meanwhile'));
  assert.deepEqual(pod.contents(), [...numbers(3, 10), 'meanwhile']);
  const identity = ({ sessionId, sequence, data }: { sessionId: string; sequence: number; data: unknown }) =>
    `${sessionId}:${sequence}:${(data as { content: string }).content}`;
  assert.deepEqual(pod.events.slice(0, 7).map(identity), killed.events.slice(-7).map(identity));
  stuck.resolve();
  for (const { session } of store.writes) assert.ok(session.sequence < unfinished, 'never ahead of the one that runs');
});

test('a new session is stored before its first event is handled: a pod killed right then resumes it', async () => {
  await using discord = await startDiscord();
  const store = new MemorySessions();
  let storedAtFirst: number | undefined;
  await using pod = await startDiscordPod(discord, {
    store,
    handle: () => {
      storedAtFirst ??= store.writes.length;
    },
  });
  await until('an event is handled', () => pod.events.length > 0);
  assert.equal(storedAtFirst, 1);
  assert.equal(store.writes[0]?.session.sequence, 1);
});

test('a disk that refuses writes does not end the session, and the session is stored later', async () => {
  await using discord = await startDiscord();
  const store = new MemorySessions();
  store.fails = true;
  await using pod = await startDiscordPod(discord, { store });
  await until('it is ready', () => isReady(pod));
  discord.gateway.invalidate({}, { resumable: false });
  await until('it has another session', () => discord.gateway.identifies().length === 2 && isReady(pod));
  say(discord, 'hello');
  await until('events are handled', () => pod.contents().includes('hello'));
  const complaints = () => pod.lines.filter(({ text }) => text.startsWith('cannot store')).length;
  assert.equal(complaints(), 1, 'said once');
  store.fails = false;
  await until('it is stored', () => store.rows.get(0)?.sequence === pod.events.at(-1)?.sequence);
});

test('a burst of events is handled in order, and events beyond the limit stay at Discord until there is room', async () => {
  await using discord = await startDiscord({ guilds: 1 });
  const gate = Promise.withResolvers<void>();
  await using pod = await startDiscordPod(discord, { handle: () => gate.promise });
  await until('it is ready', () => isReady(pod));
  const guildId = discord.guilds.at(0).id;
  const total = MAX_PENDING_EVENTS + 500;
  for (let n = 0; n < total; n++)
    discord.events.dispatch('MESSAGE_CREATE', { content: String(n), guild_id: guildId }, guildId);
  await until('the session is left', () => discord.gateway.sessions({ where: (one) => !one.connected }).length === 1);
  assert.equal(pod.events.length, MAX_PENDING_EVENTS);
  assert.match(pod.sessions.readiness().reasons.join(), /shard 0 is paused: 10000 events wait/);
  gate.resolve();
  await until('the rest came', () => pod.contents().length === total);
  await until('it is ready again', () => isReady(pod));
  assert.deepEqual(pod.contents(), numbers(0, total));
  assert.equal(discord.gateway.identifies().length, 1);
});
