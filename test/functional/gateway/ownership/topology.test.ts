// Gateway pods that ask each other whether they may serve, with real sockets and databases. See also the scenario
// `larger-topology`, with processes.
// Of src/gateway/serve/held.ts, src/gateway/ownership/ask-peer.ts.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { defineBot } from '../../../../src/bot/define-bot.ts';
import { gatewayConfig, loadConfig } from '../../../../src/config/load.ts';
import { startGatewayService } from '../../../../src/gateway/service.ts';
import { LinkClient } from '../../../../src/link/client.ts';
import { HEADER, headerValue } from '../../../../src/link/message.ts';
import { createTopology } from '../../../../src/routing/topology.ts';
import type { Service } from '../../../../src/service.ts';
import { findFreePorts } from '../../../../testkit/cluster/ports.ts';
import { NOTES, silent, temporaryFolder } from '../../../support/store.ts';
import { until } from '../../../support/wait.ts';

const SECRET = 'a secret of the test cluster';

const bot = defineBot({
  name: 'test',
  tables: ['notes'],
  migrations: [NOTES],
  async fetch(request, context) {
    const text = await request.text();
    context.transaction((db) =>
      db.run('INSERT INTO notes (guild_id, text) VALUES (?, ?)', context.guildId ?? '', text),
    );
    return new Response('written', { status: 201 });
  },
});

interface Written {
  readonly status: number;
  readonly text: string;
  readonly held: string | undefined;
  readonly refused: string | undefined;
}

interface Started extends Service {
  /** Writes a note of a guild of this pod, over the link. */
  write(): Promise<Written>;
}

/** Up to five pods of one system: their ports and databases. */
class Place implements AsyncDisposable {
  readonly #folder = temporaryFolder();
  readonly #basePort: number;
  readonly #started: Started[] = [];

  private constructor(basePort: number) {
    this.#basePort = basePort;
  }

  static async make(): Promise<Place> {
    return new Place(await findFreePorts(5));
  }

  async start(ordinal: number, pods: number, env: Record<string, string> = {}): Promise<Started> {
    const config = gatewayConfig(
      loadConfig({
        SERVICE_MODE: 'gateway',
        POD_NAME: `gateway-${ordinal}`,
        NUM_GATEWAY_PODS: String(pods),
        DATABASE_PATH: this.path(ordinal),
        LINK_SECRET: SECRET,
        HOST: '127.0.0.1',
        PORT: String(this.#basePort + ordinal),
        GATEWAY_URL_TEMPLATE: `http://127.0.0.1:{${this.#basePort}+ordinal}`,
        ...env,
      }),
    );
    const topology = createTopology({ strategy: 'md5', pods, epoch: config.epoch });
    const service = await startGatewayService({ config, bot, topology, log: silent, registry: new Registry() });
    const started: Started = Object.assign(service, { write: () => this.write(ordinal, pods) });
    this.#started.push(started);
    return started;
  }

  /** Writes a note of a guild of a pod, over the link. */
  async write(ordinal: number, pods: number): Promise<Written> {
    const topology = createTopology({ strategy: 'md5', pods });
    const link = new LinkClient({
      ...{ url: `http://127.0.0.1:${this.portOf(ordinal)}`, ordinal, secret: SECRET, topology },
      ...{ name: 'test', log: silent, heartbeatMs: 1_000, connectTimeoutMs: 1_000, maxInFlight: 100 },
    });
    try {
      const target = `/api/guilds/${guildOf(ordinal, pods)}/notes`;
      const { status, headers, body } = await link.request(
        { method: 'POST', target, headers: [], body: Buffer.from('a note') },
        5_000,
      );
      const [held, refused] = [HEADER.held, HEADER.refusal].map((name) => headerValue(headers, name));
      return { status, text: body.toString(), held, refused };
    } finally {
      link.close();
    }
  }

  portOf(ordinal: number): number {
    return this.#basePort + ordinal;
  }

  path(ordinal: number): string {
    return this.#folder.file(`gateway-${ordinal}.sqlite3`);
  }

  /** Deletes the volume. */
  lose(ordinal: number): void {
    for (const suffix of ['', '-wal', '-shm', '.lock', '.holder.json'])
      rmSync(this.path(ordinal) + suffix, { force: true });
  }

  /** The notes in a pod's database; 0 without a table. */
  notes(ordinal: number): number {
    const sqlite = new DatabaseSync(this.path(ordinal), { readOnly: true });
    try {
      const tables = sqlite.prepare("SELECT name FROM sqlite_schema WHERE name = 'notes'").all();
      return tables.length === 0 ? 0 : Number(sqlite.prepare('SELECT count(*) AS n FROM notes').get()?.n);
    } finally {
      sqlite.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pod of this.#started) await pod.close();
    this.#folder[Symbol.dispose]();
  }
}

function guildOf(ordinal: number, pods: number): string {
  const topology = createTopology({ strategy: 'md5', pods });
  for (let id = 1n << 60n; ; id++) if (topology.ownerOf(String(id)) === ordinal) return String(id);
}

const isReady = (pod: Service): boolean => pod.readiness().ready;
const reasonsOf = (pod: Service): string => pod.readiness().reasons.join('\n');

test('a restarted pod refuses requests until it has asked the other pods, and its clients retry', async (t) => {
  await using place = await Place.make();
  const pods = [await place.start(0, 2), await place.start(1, 2)];
  await until('both are ready', () => pods.every(isReady));
  for (const pod of pods) await pod.close();
  // The other pod accepts the connection and sends nothing, like a starved process.
  const silent: Socket[] = [];
  const other = createServer((socket) => silent.push(socket));
  const answers = (): void => {
    for (const socket of silent) socket.destroy();
    other.close();
  };
  t.after(answers);
  other.listen(place.portOf(1), '127.0.0.1');
  await once(other, 'listening');
  const starting = place.start(0, 2);
  await until('the other one is asked', () => silent.length > 0);
  const { status, held, refused } = await place.write(0, 2);
  assert.deepEqual([status, held], [503, undefined]);
  assert.match(refused ?? '', /asking the other gateway pods/);
  answers();
  await starting;
  assert.equal((await place.write(0, 2)).status, 201);
});

test('at a first start, pods name the pod they wait for, and then all serve without an operator', async () => {
  await using place = await Place.make();
  const zero = await place.start(0, 3);
  const one = await place.start(1, 3);
  for (const pod of [zero, one]) {
    assert.equal(isReady(pod), false);
    assert.match(reasonsOf(pod), /waiting for .*gateway-2.*ECONNREFUSED.*TOPOLOGY_CONFIRMED=md5\/3/);
    const { status, text, held } = await pod.write();
    assert.equal(status, 503);
    assert.match(text, /waiting for .*gateway-2/);
    assert.match(held ?? '', /waiting for .*gateway-2/);
  }
  const two = await place.start(2, 3);
  await until('all are ready', () => [zero, one, two].every(isReady));
  for (const pod of [zero, one, two]) assert.equal((await pod.write()).status, 201);

  // Afterwards each pod starts without the others.
  await zero.close();
  await one.close();
  await two.close();
  const alone = await place.start(1, 3);
  assert.equal(isReady(alone), true);
  assert.equal((await alone.write()).status, 201);
});

test('with more pods than the rows were placed for, no pod serves, each says why, and nothing is written', async () => {
  await using place = await Place.make();
  const first = await Promise.all([0, 1, 2].map((ordinal) => place.start(ordinal, 3)));
  await until('all are ready', () => first.every(isReady));
  for (const pod of first) assert.equal((await pod.write()).status, 201);

  // While the old pods still run, and after their restart.
  const env = { TOPOLOGY_EPOCH: '2' };
  const three = await place.start(3, 5, env);
  assert.match(reasonsOf(three), /gateway-0, gateway-1 and gateway-2 were placed under NUM_GATEWAY_PODS=3/);
  for (const pod of first) {
    assert.equal(isReady(pod), true);
    await pod.close();
  }
  const four = await place.start(4, 5, env);
  assert.match(reasonsOf(four), /waiting for gateway-0, gateway-1 and gateway-2/);
  const again = await Promise.all([0, 1, 2].map((ordinal) => place.start(ordinal, 5, env)));
  await until('both know', () => [three, four].every((pod) => /placed under/.test(reasonsOf(pod))));
  for (const pod of [three, four, ...again]) {
    assert.equal(isReady(pod), false);
    const { status, text } = await pod.write();
    assert.equal(status, 503);
    assert.match(
      text,
      /placed under NUM_GATEWAY_PODS=3 .*TOPOLOGY_EPOCH=1, but this pod was given NUM_GATEWAY_PODS=5 .*TOPOLOGY_EPOCH=2/,
    );
  }
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((ordinal) => place.notes(ordinal)),
    [1, 1, 1, 0, 0],
  );

  // With the old settings everything continues; the epoch may stay.
  for (const pod of [three, four, ...again]) await pod.close();
  const back = await Promise.all([0, 1, 2].map((ordinal) => place.start(ordinal, 3, env)));
  await until('all are ready', () => back.every(isReady));
});

test('a pod whose volume was lost serves again when all others confirm that their rows are under its topology', async () => {
  await using place = await Place.make();
  const first = await Promise.all([0, 1, 2].map((ordinal) => place.start(ordinal, 3)));
  await until('all are ready', () => first.every(isReady));
  await first[1]?.close();
  await first[2]?.close();
  place.lose(1);
  const one = await place.start(1, 3);
  assert.match(reasonsOf(one), /waiting for gateway-2/);
  const two = await place.start(2, 3);
  assert.equal(isReady(two), true);
  await until('it is ready', () => isReady(one));
  assert.equal((await one.write()).status, 201);
});

test('the topology of a pod with another secret is ignored', async () => {
  await using place = await Place.make();
  const stranger = await place.start(1, 2, { LINK_SECRET: 'another secret, long enough' });
  const zero = await place.start(0, 2);
  assert.match(reasonsOf(zero), /waiting for gateway-1.*could not prove that it holds LINK_SECRET/);
  assert.match(reasonsOf(stranger), /waiting for gateway-0/);
});

test('an operator can confirm a topology while a pod is missing; the confirmation is valid for that topology only', async () => {
  await using place = await Place.make();
  const confirmed = { TOPOLOGY_CONFIRMED: 'md5/2' };
  const other = await place.start(0, 3, confirmed);
  assert.match(reasonsOf(other), /waiting for gateway-1 and gateway-2/);
  await other.close();
  const zero = await place.start(0, 2, confirmed);
  assert.equal(isReady(zero), true);
  assert.equal((await zero.write()).status, 201);
});

test('a pod stops serving when an absent pod turns out to have rows under a newer topology', async () => {
  await using place = await Place.make();
  const small = await Promise.all([0, 1].map((ordinal) => place.start(ordinal, 2, { TOPOLOGY_EPOCH: '3' })));
  await until('all are ready', () => small.every(isReady));
  for (const pod of small) await pod.close();
  // A volume from when there were three pods.
  const stale = await place.start(2, 3, { TOPOLOGY_EPOCH: '2', TOPOLOGY_CONFIRMED: 'md5/3' });
  assert.equal((await stale.write()).status, 201);
  const back = await place.start(0, 2, { TOPOLOGY_EPOCH: '3' });
  assert.equal(isReady(back), true);
  await until('it is not ready', () => !isReady(stale));
  const { status, text } = await stale.write();
  assert.equal(status, 503);
  assert.match(text, /gateway-0 were placed under NUM_GATEWAY_PODS=2.*TOPOLOGY_EPOCH=3.*NUM_GATEWAY_PODS=3/);
  assert.equal(place.notes(2), 1);
});
