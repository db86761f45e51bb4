/**
 * Cases 30 and 33 to 36: the number of gateway pods changes while requests come, and pods are killed meanwhile. Three pods with rows are
 * started again as five, and those as three.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createTopology } from '../../src/routing/topology.ts';
import { Pod } from '../../testkit/cluster/index.ts';
import { findFreePorts } from '../../testkit/cluster/ports.ts';
import { until } from './support.ts';

const BOT = fileURLToPath(new URL('../../testkit/chaos/bot.ts', import.meta.url));
const MOST_PODS = 5;
/** Four guilds of each pod of five. */
const GUILDS = Array.from({ length: MOST_PODS }, (_, ordinal) => guildsOf(ordinal, 4)).flat();

let directory: string;
let gateways: Pod[];
let http: Pod;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'guildway-resize-'));
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

/** Starts pods with a number of gateway pods. */
function spawn(pods: readonly Pod[], count: number, epoch: number): void {
  for (const pod of pods) {
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

/** The operations that a pod has rows of, once for each row. */
function rowsOf(ordinal: number): { readonly guildId: string; readonly id: string }[] {
  const sqlite = new DatabaseSync(databaseOf(ordinal), { readOnly: true });
  try {
    const rows = sqlite.prepare('SELECT guild_id AS guildId, operation AS id FROM operations').all();
    return rows as unknown as { guildId: string; id: string }[];
  } finally {
    sqlite.close();
  }
}

/** Sends operations of all guilds until it is stopped. */
class Load {
  readonly acknowledged: { readonly guildId: string; readonly id: string }[] = [];
  readonly uncertain = new Set<string>();
  #stopped = false;
  readonly #running: Promise<void>[];

  constructor(prefix: string) {
    this.#running = GUILDS.map(async (guildId) => {
      for (let i = 0; !this.#stopped; i++) {
        const id = `${prefix}-${guildId}-${i}`;
        const { status } = await write(guildId, id).catch(() => ({ status: 0 }));
        if (status === 201) this.acknowledged.push({ guildId, id });
        else this.uncertain.add(id);
        await delay(30);
      }
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }
}

async function inForce(pods: readonly Pod[], epoch: number): Promise<void> {
  for (const pod of pods) {
    await until(`epoch ${epoch} is in force at ${pod.name}`, () => {
      const sqlite = new DatabaseSync(databaseOf(pod.ordinal as number), { readOnly: true });
      try {
        const row = sqlite.prepare('SELECT chain FROM guildway_moving').get();
        const chain = JSON.parse(String(row?.chain ?? '[]')) as { epoch: number }[];
        return chain.length === 1 && chain[0]?.epoch === epoch;
      } finally {
        sqlite.close();
      }
    });
  }
}

/** Every acknowledged operation is once at its owner, what is not known at most once, and nothing is anywhere else. */
function assertPlaced(load: Load, number: number): void {
  const owner = createTopology({ strategy: 'md5', pods: number }).ownerOf;
  const found = Map.groupBy(
    [0, 1, 2, 3, 4].flatMap((ordinal) => rowsOf(ordinal).map((row) => ({ ...row, ordinal }))),
    ({ id }) => id,
  );
  for (const [id, rows] of found) {
    assert.deepEqual(
      rows.map(({ ordinal }) => ordinal),
      [owner(rows[0]?.guildId ?? '')],
      id,
    );
  }
  for (const { id } of load.acknowledged) assert.ok(found.has(id), `${id} is lost`);
}

test('three pods become five, and three again, with requests and kills meanwhile: nothing is lost or done twice', async () => {
  const three = gateways.slice(0, 3);
  // All at once, and nobody has to say that it is the first start.
  spawn([...three, http], 3, 1);
  await Promise.all([...three, http].map((pod) => pod.ready()));
  const load = new Load('a');
  await until('there are rows', () => load.acknowledged.length > 2 * GUILDS.length);

  for (const [number, epoch, others] of [
    [5, 2, gateways.slice(3)],
    [3, 3, []],
  ] as const) {
    spawn(others, number, epoch);
    for (const pod of others.length > 0 ? [...three, http] : [...gateways, http]) {
      await pod.stop();
      spawn([pod], number, epoch);
    }
    // An old and a new owner die, whatever they are doing.
    for (const ordinal of [1, 4, 0]) {
      await delay(150);
      const pod = gateways[ordinal] as Pod;
      await pod.kill('SIGKILL');
      pod.spawn();
    }
    await inForce(gateways, epoch);
  }
  const before = load.acknowledged.length;
  await until('requests are answered', () => load.acknowledged.length > before + GUILDS.length);
  await load.stop();
  assertPlaced(load, 3);
});
