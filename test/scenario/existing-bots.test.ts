// Existing bots, unchanged, on three pods: commands are answered by the owner, and pods and bots are killed and restarted. Of
// src/gateway/beside/bot-web.ts, the folder preload beside it, and testkit/cluster/bot-folder.ts.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Cluster, type Pod, startCluster } from '../../testkit/cluster/index.ts';
import type { DiscordSimulator } from '../../testkit/discord/index.ts';
import { until } from '../support/wait.ts';

const examples = fileURLToPath(new URL('../../examples/', import.meta.url));

interface Running extends AsyncDisposable {
  readonly cluster: Cluster;
  readonly discord: DiscordSimulator;
  /** Rows of the bots' databases, by pod. */
  rows(sql: string): Readonly<Record<string, unknown>>[][];
}

async function start(folder: string, command: readonly string[], database: string): Promise<Running> {
  const cluster = await startCluster({
    existingBot: { folder: examples + folder, command },
    httpPods: 1,
    guilds: 6,
    env: { LOG_LEVEL: 'info' },
  });
  return {
    cluster,
    discord: cluster.simulator as DiscordSimulator,
    rows: (sql) =>
      cluster.gatewayPods.map(({ name }) => {
        using sqlite = new DatabaseSync(`${cluster.directory}/${name}/bot/${database}`, {
          readOnly: true,
          timeout: 5_000,
        });
        return sqlite.prepare(sql).all();
      }),
    [Symbol.asyncDispose]: () => cluster.stop(),
  };
}

const botOf = async (pod: Pod): Promise<{ pid: number; ready: boolean }> => pod.admin('/bot');

/** The checks that every example passes: `/tag add`, `/tag show`, `/points`, and a point for each message. */
async function check({ cluster, discord, rows }: Running): Promise<void> {
  const guilds = [...discord.guilds].map(({ id }) => id);
  const tag = (guildId: string, options: object) =>
    discord.interactions.command({ guildId, name: 'tag', options: { ...options } });
  for (const guildId of guilds) {
    const added = await tag(guildId, { add: { name: 'rules', content: `rules of ${guildId}` } });
    assert.deepEqual(
      [added.message?.content, added.pod],
      ['Tag rules added.', String(cluster.topology.ownerOf(guildId))],
      added.problem ?? undefined,
    );
    const shown = await tag(guildId, { show: { name: 'rules' } });
    assert.equal((await shown.settled()).message?.content, `rules of ${guildId}`);
  }
  for (const [pod, tags] of rows('SELECT guild_id FROM tags').entries()) {
    assert.deepEqual(
      tags.map(({ guild_id: id }) => String(id)).toSorted(),
      guilds.filter((id) => cluster.topology.ownerOf(id) === pod).toSorted(),
    );
  }
  const points = (): number =>
    rows('SELECT SUM(points) AS points FROM points').reduce((sum, [row]) => sum + Number(row?.points ?? 0), 0);
  let sent = 0;
  const say = (): void => {
    for (const guildId of guilds) discord.events.messageCreate({ guildId, content: String(sent++) });
  };
  say();
  await until('a point for each message', () => points() === sent);

  // The bot is killed: what happens until it is back waits for it, and no identify is spent.
  const identifies = discord.gateway.identifies().length;
  const [pod] = cluster.gatewayPods as [Pod, ...Pod[]];
  const { pid } = await botOf(pod);
  process.kill(pid, 'SIGKILL');
  await until('the pod knows', async () => !(await botOf(pod)).ready);
  say();
  await until('the bot is back', async () => (await botOf(pod)).ready);
  await until('the points of meanwhile', () => points() === sent);
  assert.equal(discord.gateway.identifies().length, identifies);

  // The pod is killed, and its bot with it.
  await pod.kill();
  say();
  const own = guilds.find((id) => cluster.topology.ownerOf(id) === 0) as string;
  const deferred = await tag(own, { show: { name: 'rules' } });
  assert.equal(deferred.outcome, 'deferred');
  await pod.start();
  assert.equal((await deferred.settled()).message?.content, `rules of ${own}`);
  await until('the points of meanwhile', () => points() === sent);
  assert.equal(discord.gateway.identifies().length, identifies, 'the session was resumed');
  assert.equal(
    rows('SELECT COUNT(*) AS n FROM tags').reduce((sum, [row]) => sum + Number(row?.n), 0),
    guilds.length,
  );
  assert.deepEqual(discord.stats().unknownRoutes, {});
}

test('discord.js as in its guide, with better-sqlite3', async () => {
  await using running = await start('discordjs-guide', [process.execPath, 'index.js'], 'bot.sqlite');
  await check(running);
});

test('@discordjs/core without a Client', async () => {
  await using running = await start('discordjs-core', [process.execPath, 'index.mjs'], 'bot.sqlite');
  await check(running);
});

test('Eris, which uses node:https', async () => {
  await using running = await start('eris', [process.execPath, 'index.js'], 'bot.sqlite');
  await check(running);
});

test('discord.js with an Express dashboard: its pages, forms and event streams are served by the owner', async () => {
  await using running = await start('express-dashboard', [process.execPath, 'index.mjs'], 'bot.sqlite');
  await check(running);
  const { cluster, discord } = running;
  for (const { id } of discord.guilds) {
    const posted = await fetch(`${cluster.url}/servers/${id}/tags`, {
      method: 'POST',
      body: new URLSearchParams({ name: 'web', content: `by the form of ${id}` }),
    });
    assert.equal(posted.headers.get('guildway-pod'), String(cluster.topology.ownerOf(id)));
    const { tags } = (await posted.json()) as { tags: { name: string; content: string }[] };
    assert.equal(tags.find(({ name }) => name === 'web')?.content, `by the form of ${id}`);
  }
  const home = await fetch(cluster.url);
  assert.equal(home.headers.get('guildway-pod'), '0');
  assert.match(await home.text(), /<ul>/);
  const own = discord.guilds.at(0).id;
  const live = await fetch(`${cluster.url}/servers/${own}/live`, { headers: { accept: 'text/event-stream' } });
  const reader = (live.body as ReadableStream<Uint8Array>).getReader();
  let text = '';
  while (!text.includes('hello')) text += Buffer.from((await reader.read()).value ?? []).toString();
  discord.events.messageCreate({ guildId: own, content: 'live' });
  while (!text.includes('data: "live"')) text += Buffer.from((await reader.read()).value ?? []).toString();
  await reader.cancel();
});

const python = spawnSync('python3', ['-c', 'import discord']).status === 0 ? false : 'discord.py is not installed';
test("discord.py: the seam is Discord's protocol, not the language", { skip: python }, async () => {
  await using running = await start('discord-py', ['python3', 'bot.py'], 'bot.sqlite');
  await check(running);
});
