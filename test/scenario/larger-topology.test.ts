/**
 * Pods with empty databases join under a larger number while the rows are elsewhere. Three pods with rows are restarted as three of
 * five; the two new ones must not start a second history of any guild.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createTopology } from '../../src/routing/topology.ts';
import { Pod } from '../../testkit/cluster/index.ts';
import { findFreePorts } from '../../testkit/cluster/ports.ts';
import { until } from './support.ts';

const BOT = fileURLToPath(new URL('../../testkit/chaos/bot.ts', import.meta.url));
const MOST_PODS = 5;
/** Two guilds for each of five pods. */
const GUILDS = Array.from({ length: MOST_PODS }, (_, ordinal) => guildsOf(ordinal, 2)).flat();

let directory: string;
let gateways: Pod[];
let http: Pod;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'guildway-larger-'));
  const port = await findFreePorts(2 * (MOST_PODS + 1));
  const newPod = (name: string, index: number, env: Record<string, string>): Pod =>
    new Pod({
      name,
      ordinal: index < MOST_PODS ? index : null,
      port: port + index,
      adminPort: port + MOST_PODS + 1 + index,
      logFile: join(directory, `${name}.log`),
      env: {
        ...{ NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? '', BOT, POD_NAME: name, ...env },
        LINK_SECRET: 'a secret of the test cluster',
        GATEWAY_URL_TEMPLATE: `http://127.0.0.1:{${port}+ordinal}`,
      },
    });
  gateways = Array.from({ length: MOST_PODS }, (_, ordinal) =>
    newPod(`gateway-${ordinal}`, ordinal, { SERVICE_MODE: 'gateway', DATABASE_PATH: databaseOf(ordinal) }),
  );
  http = newPod('http-0', MOST_PODS, { SERVICE_MODE: 'http' });
});

after(async () => {
  await Promise.all([...gateways, http].map((pod) => pod.stop()));
  await rm(directory, { recursive: true, force: true });
});

function guildsOf(owner: number, count: number): string[] {
  const topology = createTopology({ strategy: 'md5', pods: MOST_PODS });
  const found: string[] = [];
  for (let id = 1n << 60n; found.length < count; id++) {
    if (topology.ownerOf(String(id)) === owner) found.push(String(id));
  }
  return found;
}

const databaseOf = (ordinal: number): string => join(directory, `gateway-${ordinal}.sqlite3`);

/** Starts these gateway pods and the HTTP pod with a number of gateway pods. */
function spawn(pods: readonly Pod[], count: number, epoch: number): void {
  for (const pod of [...pods, http]) {
    pod.env.NUM_GATEWAY_PODS = String(count);
    pod.env.TOPOLOGY_EPOCH = String(epoch);
    pod.spawn();
  }
}

async function write(guildId: string, id: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`${http.url}/api/guilds/${guildId}/operations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ operation: id, steps: 1, slowMs: 0 }),
  });
  return { status: response.status, text: await response.text() };
}

/** The guild of each row of a pod. */
function rowsOf(ordinal: number): string[] {
  const sqlite = new DatabaseSync(databaseOf(ordinal), { readOnly: true });
  try {
    if (sqlite.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'operations'").get() === undefined) return [];
    return sqlite
      .prepare('SELECT guild_id FROM operations')
      .all()
      .map((row) => String(row.guild_id));
  } finally {
    sqlite.close();
  }
}

const reasonsOf = async (pod: Pod): Promise<string> =>
  ((await pod.admin<{ reasons?: string[] }>('/readyz')).reasons ?? []).join('\n');

test('three pods with rows, restarted as five: the new pods serve nothing, and name the topologies that differ', async () => {
  const three = gateways.slice(0, 3);
  // All at once, without an operator who confirms the first start.
  spawn(three, 3, 1);
  await Promise.all([...three, http].map((pod) => pod.ready()));
  for (const guildId of GUILDS) assert.equal((await write(guildId, 'first')).status, 201);
  const before = [0, 1, 2].map(rowsOf);
  assert.equal(before.flat().length, GUILDS.length);

  await Promise.all([...three, http].map((pod) => pod.stop()));
  spawn(gateways, 5, 2);
  const both =
    /NUM_GATEWAY_PODS=3 ROUTING=md5 TOPOLOGY_EPOCH=1, but this pod was given NUM_GATEWAY_PODS=5 ROUTING=md5 TOPOLOGY_EPOCH=2/;
  for (const pod of gateways) {
    await until(`${pod.name} says both topologies`, async () => both.test(await reasonsOf(pod).catch(() => '')));
    assert.equal((await fetch(`${pod.adminUrl}/readyz`)).status, 503);
  }
  await http.ready();
  for (const guildId of GUILDS) {
    const { status, text } = await write(guildId, 'second');
    assert.equal(status, 503);
    assert.match(text, both);
  }
  assert.deepEqual([0, 1, 2, 3, 4].map(rowsOf), [...before, [], []]);
});
