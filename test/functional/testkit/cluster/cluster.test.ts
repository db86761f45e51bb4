import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { getGatewayPodForGuild } from 'guildway/routing';
import { type Cluster, Pod, startCluster } from '../../../../testkit/cluster/index.ts';
import { findFreePorts } from '../../../../testkit/cluster/ports.ts';
import { type DiscordSimulator, startDiscordSimulator } from '../../../../testkit/discord/index.ts';
import { BARE } from '../../../support/environment.ts';

const GUILDS = 200;
const INTERACTIONS = 1_000;

let cluster: Cluster;
let discord: DiscordSimulator;

before(async () => {
  cluster = await startCluster({ guilds: GUILDS + 2 });
  discord = cluster.simulator as DiscordSimulator;
});
after(() => cluster.stop());

/** Rows per guild in one pod's database. */
function notesIn(ordinal: number): Map<string, number> {
  const database = new DatabaseSync(cluster.databasePath(ordinal), { readOnly: true });
  try {
    const rows = database.prepare('SELECT guild_id, count(*) AS n FROM cases GROUP BY guild_id').all();
    return new Map(rows.map((row) => [row.guild_id as string, row.n as number]));
  } finally {
    database.close();
  }
}

test('1,000 signed interactions over 200 guilds: every row is at the pod that the md5 table names, and at no other', async () => {
  const guilds = discord.guilds.ids.slice(0, GUILDS);
  const httpPods = new Set<string | null>();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < INTERACTIONS) {
      const number = next++;
      const guildId = guilds[number % guilds.length] as string;
      const result = await discord.interactions.command({
        guildId,
        name: 'note',
        options: { user: '81384788765712384', text: `note ${number}` },
      });
      assert.equal(result.outcome, 'answered', `${result.status} ${result.problem}`);
      assert.equal(result.pod, String(getGatewayPodForGuild(guildId, 3)));
      httpPods.add(result.httpPod);
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));

  assert.deepEqual([...httpPods].sort(), ['http-0', 'http-1']);
  const expected = INTERACTIONS / GUILDS;
  let rows = 0;
  for (const ordinal of [0, 1, 2]) {
    for (const [guildId, count] of notesIn(ordinal)) {
      assert.equal(getGatewayPodForGuild(guildId, 3), ordinal, `guild ${guildId} has rows at pod ${ordinal}`);
      assert.equal(count, expected);
      rows += count;
    }
  }
  assert.equal(rows, INTERACTIONS);
});

const user = '81384788765712384';

/** The same user actions in each of two guilds that no other test uses, and the bot's responses. */
async function converse({ guilds, interactions }: DiscordSimulator): Promise<unknown[]> {
  const answers: unknown[] = [];
  for (const guildId of guilds.ids.slice(GUILDS)) {
    for (const [name, options] of [
      ['settings', { show: {} }],
      ['note', { user, text: 'keeps the rules' }],
      ['warn', { user, reason: 'does not' }],
      ['warn', { user, reason: 'still does not' }],
      ['modlog', {}],
    ] as const) {
      const result = await interactions.command({ guildId, name, options });
      assert.equal(result.outcome, 'answered', `${name}: ${result.status} ${result.problem}`);
      answers.push(result.response);
    }
    const typed = await interactions.autocomplete({
      guildId,
      name: 'warn',
      options: { user, reason: 'does' },
      focused: 'reason',
    });
    answers.push(typed.response);
  }
  return answers;
}

/** Times and keys differ between runs. */
const comparable = (answers: unknown[]): unknown =>
  JSON.parse(
    JSON.stringify(answers)
      .replaceAll(/<t:\d+/g, '<t:0')
      .replaceAll(/"timestamp":"[^"]*"/g, '"timestamp":""')
      .replaceAll(/key=[\w-]+/g, 'key='),
  );

test('one process with SERVICE_MODE=monolith gives the same answers as many', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'guildway-monolith-'));
  const port = await findFreePorts(2);
  await using single = await startDiscordSimulator({
    guilds: GUILDS + 2,
    identifyWindowMs: 100,
    interactionsUrl: `http://127.0.0.1:${port}/webhooks/discord`,
  });
  const pod = new Pod({
    name: 'monolith',
    ordinal: 0,
    port,
    adminPort: port + 1,
    logFile: join(directory, 'monolith.log'),
    env: {
      ...BARE,
      DATABASE_PATH: join(directory, 'guildway.sqlite3'),
      DISCORD_TOKEN: single.token,
      DISCORD_PUBLIC_KEY: single.publicKey,
      DISCORD_APP_ID: single.applicationId,
      DISCORD_API_URL: single.apiUrl,
      IDENTIFY_INTERVAL_MS: '100',
    },
  });
  try {
    await pod.start();
    const alone = await converse(single);

    assert.deepEqual(comparable(alone), comparable(await converse(discord)));

    assert.deepEqual(await pod.stop(), { code: 0, signal: null });
  } finally {
    await pod.kill();
    await rm(directory, { recursive: true, force: true });
  }
});

test('requests without a guild go to pod 0', async () => {
  const result = await discord.interactions.command({ guildId: null, name: 'settings', options: { show: {} } });
  assert.equal(result.pod, '0');
});

test('a guild page says which pod and which HTTP pod answered', async () => {
  const guildId = discord.guilds.ids[7] as string;
  const response = await fetch(`${cluster.url}/app/${guildId}`);
  assert.equal(response.headers.get('guildway-pod'), String(getGatewayPodForGuild(guildId, 3)));
  assert.match(response.headers.get('guildway-request-id') ?? '', /./);
  await response.body?.cancel();
});

test('orderly restarts of every gateway pod keep the data, and every pod exits with 0', async () => {
  const guildId = discord.guilds.ids[3] as string;
  const owner = getGatewayPodForGuild(guildId, 3);
  const before = notesIn(owner).get(guildId);
  for (const pod of cluster.gatewayPods) {
    assert.deepEqual(await pod.stop(), { code: 0, signal: null });
    await pod.start();
  }
  const result = await discord.interactions.command({
    guildId,
    name: 'note',
    options: { user: '81384788765712384', text: 'after the restart' },
  });
  assert.equal(result.outcome, 'answered', `${result.status} ${result.problem}`);
  assert.equal(notesIn(owner).get(guildId), (before ?? 0) + 1);
  for (const pod of cluster.httpPods) assert.deepEqual(await pod.stop(), { code: 0, signal: null });
});
