import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { getGatewayPodForGuild } from 'guildway/routing';
import { type Cluster, startCluster } from '../../../../testkit/cluster/index.ts';
import type { DiscordSimulator } from '../../../../testkit/discord/index.ts';

const GUILDS = 200;
const INTERACTIONS = 1_000;

let cluster: Cluster;
let discord: DiscordSimulator;

before(async () => {
  cluster = await startCluster({ guilds: GUILDS });
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
  const guilds = discord.guilds.ids;
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
