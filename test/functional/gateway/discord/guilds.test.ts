// The guilds that a pod knows: from READY, from events, and after a resume.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DiscordSimulator, startDiscordSimulator } from '../../../../testkit/discord/index.ts';
import { type DiscordPod, isReady, MemorySessions, startDiscordPod } from '../../../support/discord-pod.ts';
import { until } from '../../../support/wait.ts';

/** A guild that is missing from READY: the bot joins it later, or has left it. */
const OTHER = '81384788765712384';

const startDiscord = () => startDiscordSimulator({ guilds: 4, identifyWindowMs: 0 });
const guildsOf = ({ sessions }: DiscordPod): string[] => [...sessions.guildIds()].sort();
const join = (discord: DiscordSimulator, id: string) => discord.events.dispatch('GUILD_CREATE', { id }, id);
const leave = (discord: DiscordSimulator, id: string, outage: { unavailable?: boolean } = {}) =>
  discord.events.dispatch('GUILD_DELETE', { id, ...outage }, id);

/** The state that a killed process leaves behind. */
function kept({ rows, guilds }: MemorySessions): MemorySessions {
  const store = new MemorySessions();
  for (const [shard, session] of rows) store.rows.set(shard, session);
  for (const [shard, ids] of guilds) store.guilds.set(shard, ids);
  return store;
}

test('a guild that is unavailable has not been left; a removed one has', async () => {
  await using discord = await startDiscord();
  await using pod = await startDiscordPod(discord);
  await until('it is ready', () => isReady(pod));
  const all = [...discord.guilds.ids].sort();
  assert.deepEqual(guildsOf(pod), all);
  const [first, second] = all as [string, string];
  leave(discord, first, { unavailable: true });
  leave(discord, second);
  await until('it has left one', () => !guildsOf(pod).includes(second));
  assert.deepEqual(
    guildsOf(pod),
    all.filter((id) => id !== second),
  );
});

test('a guild that is missing from a new session was left while the process was away', async () => {
  await using discord = await startDiscord();
  await using pod = await startDiscordPod(discord);
  await until('it is ready', () => isReady(pod));
  join(discord, OTHER);
  await until('it has joined', () => guildsOf(pod).includes(OTHER));
  discord.gateway.invalidate({}, { resumable: false });
  await until('it has another session', () => discord.gateway.identifies().length === 2 && isReady(pod));
  assert.deepEqual(guildsOf(pod), [...discord.guilds.ids].sort());
  assert.deepEqual([...(pod.store.guilds.get(0) ?? [])].sort(), guildsOf(pod), 'and so it is stored');
});

test('a process that resumes a session knows its guilds, including those joined and left meanwhile', async () => {
  await using discord = await startDiscord();
  const [first, ...others] = [...discord.guilds.ids] as [string, ...string[]];
  const killed = await startDiscordPod(discord);
  await until('it is ready', () => isReady(killed));
  join(discord, OTHER);
  const joined = await until('it is told', () => killed.events.find(({ guildId }) => guildId === OTHER));
  await until('that is stored', () => (killed.store.rows.get(0)?.sequence ?? 0) >= joined.sequence);
  const store = kept(killed.store);
  await killed.sessions.close();
  leave(discord, first);
  await using pod = await startDiscordPod(discord, { store });
  await until('it has resumed', () => isReady(pod) && pod.events.some(({ name }) => name === 'GUILD_DELETE'));
  assert.equal(discord.gateway.identifies().length, 1);
  assert.deepEqual(guildsOf(pod), [...others, OTHER].sort());
  assert.equal((pod.sessions.state() as { guilds: number }).guilds, 4);
});

test('guilds that could not be stored are stored before the sequence passes them', async () => {
  await using discord = await startDiscord();
  await using pod = await startDiscordPod(discord);
  await until('it is ready', () => isReady(pod));
  await until('its events are stored', () => pod.store.rows.get(0)?.sequence === pod.events.at(-1)?.sequence);
  const write = pod.store.writeGuilds.bind(pod.store);
  pod.store.writeGuilds = () => {
    throw new Error('the disk is full');
  };
  join(discord, OTHER);
  const joined = await until('it is told', () => pod.events.find(({ guildId }) => guildId === OTHER));
  await until('the disk refuses', () => pod.lines.some(({ text }) => text.startsWith('cannot store')));
  assert.ok((pod.store.rows.get(0)?.sequence ?? 0) < joined.sequence);
  pod.store.writeGuilds = write;
  await until('the sequence is stored', () => pod.store.rows.get(0)?.sequence === joined.sequence);
  assert.ok(pod.store.guilds.get(0)?.has(OTHER));
});
