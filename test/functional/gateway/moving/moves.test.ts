// Gateway pods that move guilds, with real sockets and databases.
// Of src/gateway/moving/{move-status,candidates,conversation,copies,courier,giver,guild-activity,guild-moves,guild-ownership,metrics,record-pruning}.ts.
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createTopology } from '../../../../src/routing/topology.ts';
import { HELD_NOTE, isReady, Place, reasonsOf, releaseNotes, type Started } from '../../../support/place.ts';
import { until } from '../../../support/wait.ts';

/** The notes of all guilds, by pod and guild. */
function notesIn(place: Place, ordinal: number): Map<string, string[]> {
  const sqlite = new DatabaseSync(place.path(ordinal), { readOnly: true });
  try {
    // A pod that has not joined yet has no tables.
    if (sqlite.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'notes'").get() === undefined) return new Map();
    const rows = sqlite.prepare('SELECT guild_id AS guild, text FROM notes ORDER BY rowid').all();
    const byGuild = Map.groupBy(rows as { guild: string; text: string }[], ({ guild }) => guild);
    return new Map([...byGuild].map(([guild, found]) => [guild, found.map(({ text }) => text)]));
  } finally {
    sqlite.close();
  }
}

/** Guilds that write notes, one after the other, until they are stopped. Each note is one number. */
class Writers {
  readonly acknowledged = new Map<string, string[]>();
  readonly failures: string[] = [];
  #stopped = false;
  #running: Promise<void>[] = [];

  start(place: Place, guilds: readonly string[], pods: number): void {
    const topology = createTopology({ strategy: 'md5', pods });
    this.#running = guilds.map(async (guild) => {
      const notes: string[] = [];
      this.acknowledged.set(guild, notes);
      for (let i = 0; !this.#stopped; i++) {
        const { status, text } = await place.send(guild, topology.ownerOf(guild), { body: String(i) });
        if (status === 201) notes.push(String(i));
        else this.failures.push(`${guild} ${i}: ${status} ${text}`);
        await delay(20);
      }
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }
}

const GUILDS = Array.from({ length: 40 }, (_, i) => String((1n << 60n) + BigInt(i) * 7919n));

/** Copies that were given up are removed bit by bit. */
async function leftoversRemoved(place: Place, pods: readonly number[]): Promise<void> {
  const isDone = (ordinal: number): boolean => {
    const sqlite = new DatabaseSync(place.path(ordinal), { readOnly: true });
    try {
      return sqlite.prepare('SELECT 1 FROM guildway_leftovers').get() === undefined;
    } finally {
      sqlite.close();
    }
  };
  await until('nothing is left over', () => pods.every(isDone));
}

/** Every guild has exactly its notes, at its owner and nowhere else. */
async function assertPlaced(
  place: Place,
  pods: readonly number[],
  now: number,
  expected: ReadonlyMap<string, string[]>,
): Promise<void> {
  await leftoversRemoved(place, pods);
  const topology = createTopology({ strategy: 'md5', pods: now });
  const found = new Map(pods.map((ordinal) => [ordinal, notesIn(place, ordinal)]));
  for (const [guild, notes] of expected) {
    for (const [ordinal, guilds] of found) {
      assert.deepEqual(
        guilds.get(guild) ?? [],
        ordinal === topology.ownerOf(guild) ? notes : [],
        `${guild} at ${ordinal}`,
      );
    }
  }
}

const inForce = async (pods: readonly Started[], epoch: number): Promise<void> => {
  await until(
    `epoch ${epoch} is in force`,
    () => pods.every((pod) => pod.topologies().length === 1 && pod.topologies()[0]?.epoch === epoch),
    20_000,
  );
};

/** Starts pods again, one after the other, pod 0 last, with another number. */
async function restart(
  place: Place,
  pods: Started[],
  number: number,
  epoch: number,
  env: Record<string, string> = {},
): Promise<void> {
  for (let ordinal = pods.length - 1; ordinal >= 0; ordinal--) {
    await pods[ordinal]?.drain();
    await pods[ordinal]?.close();
    pods[ordinal] = await place.start(ordinal, number, { TOPOLOGY_EPOCH: String(epoch), ...env });
  }
}

async function startAll(place: Place, number: number, epoch = 1): Promise<Started[]> {
  const env = { TOPOLOGY_EPOCH: String(epoch) };
  const pods = await Promise.all(Array.from({ length: number }, (_, ordinal) => place.start(ordinal, number, env)));
  await until('all are ready', () => pods.every(isReady));
  return pods;
}

test('three pods become five, and three again, under load: no request fails, and each note is at its owner once', async () => {
  await using place = await Place.make();
  const pods = await startAll(place, 3);
  const writers = new Writers();
  writers.start(place, GUILDS, 3);
  const goOn = async (): Promise<void> => {
    const before = [...writers.acknowledged.values()].map(({ length }) => length);
    const isFurther = (notes: readonly string[], i: number): boolean => notes.length > (before[i] ?? 0) + 2;
    await until('all go on', () => [...writers.acknowledged.values()].every(isFurther));
  };
  await until('all have begun', () => writers.acknowledged.size === GUILDS.length);
  await goOn();
  const added = await Promise.all([3, 4].map((ordinal) => place.start(ordinal, 5, { TOPOLOGY_EPOCH: '2' })));
  await restart(place, pods, 5, 2);
  pods.push(...added);
  await inForce(pods, 2);
  assert.ok(pods.every(isReady));
  await goOn();
  await restart(place, pods, 3, 3);
  await inForce(pods, 3);
  await goOn();
  await writers.stop();
  assert.deepEqual(writers.failures, []);
  await assertPlaced(place, [0, 1, 2, 3, 4], 3, writers.acknowledged);
});

test('one process becomes three', async () => {
  await using place = await Place.make();
  const pods = await startAll(place, 1);
  const notes = new Map(GUILDS.map((guild) => [guild, [`of ${guild}`]]));
  for (const guild of GUILDS) assert.equal((await place.send(guild, 0, { body: `of ${guild}` })).status, 201);
  const added = await Promise.all([1, 2].map((ordinal) => place.start(ordinal, 3, { TOPOLOGY_EPOCH: '2' })));
  await restart(place, pods, 3, 2);
  pods.push(...added);
  await inForce(pods, 2);
  await assertPlaced(place, [0, 1, 2], 3, notes);
});

test('a new owner that is away: the old one goes on serving, and its guilds move when it is there', async () => {
  await using place = await Place.make();
  const pods = await startAll(place, 2);
  const notes = new Map(GUILDS.map((guild) => [guild, ['1']]));
  const two = createTopology({ strategy: 'md5', pods: 2 });
  for (const guild of GUILDS) await place.send(guild, two.ownerOf(guild), { body: '1' });
  await restart(place, pods, 3, 2);
  await until('it is known', () => pods.every((pod) => pod.topologies().length === 2));
  for (const guild of GUILDS) {
    assert.equal((await place.send(guild, two.ownerOf(guild), { body: '2' })).status, 201);
    notes.get(guild)?.push('2');
  }
  pods.push(await place.start(2, 3, { TOPOLOGY_EPOCH: '2' }));
  await inForce(pods, 2);
  await assertPlaced(place, [0, 1, 2], 3, notes);
});

test('the number changes twice, and back, before guilds have moved: everything ends at its owner', async () => {
  await using place = await Place.make();
  const pods = await startAll(place, 2);
  const notes = new Map(GUILDS.map((guild) => [guild, ['1']]));
  const two = createTopology({ strategy: 'md5', pods: 2 });
  for (const guild of GUILDS) await place.send(guild, two.ownerOf(guild), { body: '1' });
  await restart(place, pods, 5, 2);
  pods.push(...(await Promise.all([2, 3, 4].map((ordinal) => place.start(ordinal, 5, { TOPOLOGY_EPOCH: '2' })))));
  await until('some have moved', () => notesIn(place, 2).size > 0);
  await restart(place, pods, 3, 3);
  await restart(place, pods, 2, 4);
  await inForce(pods, 4);
  await assertPlaced(place, [0, 1, 2, 3, 4], 2, notes);
});

test('a volume that is lost, or restored from before the move, gives back nothing and gets its guilds again', async () => {
  await using place = await Place.make();
  const pods = await startAll(place, 2);
  const two = createTopology({ strategy: 'md5', pods: 2 });
  const notes = new Map(GUILDS.map((guild) => [guild, ['1']]));
  for (const guild of GUILDS) await place.send(guild, two.ownerOf(guild), { body: '1' });
  await pods[0]?.close();
  place.backUp(0);
  pods[0] = await place.start(0, 2);
  await restart(place, pods, 3, 2);
  pods.push(await place.start(2, 3, { TOPOLOGY_EPOCH: '2' }));
  await inForce(pods, 2);
  // Pod 2 loses what it received, pod 0 comes back from before it gave guilds away.
  await pods[2]?.close();
  await pods[0]?.close();
  place.lose(2);
  place.restore(0);
  pods[2] = await place.start(2, 3, { TOPOLOGY_EPOCH: '2' });
  pods[0] = await place.start(0, 3, { TOPOLOGY_EPOCH: '2' });
  const three = createTopology({ strategy: 'md5', pods: 3 });
  for (const guild of GUILDS) {
    const answer = await place.send(guild, three.ownerOf(guild), { body: '2' });
    assert.equal(
      answer.status,
      201,
      `${two.ownerOf(guild)} -> ${three.ownerOf(guild)} ${answer.text} ${pods.map(reasonsOf)}`,
    );
    notes.get(guild)?.push('2');
  }
  // Those that pod 0 had and gave away are at the others, with the copies that pod 1 kept.
  const found = [0, 1, 2].map((ordinal) => notesIn(place, ordinal));
  for (const [guild, expected] of notes) {
    const owner = three.ownerOf(guild);
    const wasLost = owner === 2 && two.ownerOf(guild) === 0;
    if (!wasLost) assert.deepEqual(found[owner]?.get(guild), expected, guild);
  }
});

test('the set-aside copies of given-away guilds expire: their records go, and a lost volume is served with what is there', async () => {
  await using place = await Place.make();
  const env = { SET_ASIDE_MS: '1' };
  const pods = await startAll(place, 1, 1);
  for (const guild of GUILDS) assert.equal((await place.send(guild, 0, { body: '1' })).status, 201);
  pods.push(await place.start(1, 2, { TOPOLOGY_EPOCH: '2' }));
  await restart(place, pods, 2, 2, env);
  await inForce(pods, 2);
  const two = createTopology({ strategy: 'md5', pods: 2 });
  const moved = GUILDS.filter((guild) => two.ownerOf(guild) === 1);
  const records = (): number => place.count(0, 'guildway_guild_records');
  assert.equal(records(), moved.length);
  // Its copies go first: it can no longer give them back.
  await until('the copies expire', () => place.count(0, 'guildway_set_aside_guilds') === 0);
  await until('the records are forgotten', () => records() === 0);
  await pods[1]?.close();
  place.lose(1);
  pods[1] = await place.start(1, 2, { TOPOLOGY_EPOCH: '2' });
  for (const guild of moved) assert.equal((await place.send(guild, 1, { body: '2' })).status, 201, guild);
});

test('a guild whose handler runs on is served where it is while the others move, and follows when the handler has ended', async () => {
  await using place = await Place.make();
  const pods = await startAll(place, 1);
  const two = createTopology({ strategy: 'md5', pods: 2 });
  const leaving = GUILDS.filter((guild) => two.ownerOf(guild) === 1);
  const [busy] = leaving as [string];
  for (const guild of leaving) assert.equal((await place.send(guild, 0, { body: '1' })).status, 201);
  await restart(place, pods, 2, 2);
  // The caller may give up before the handler ends.
  const running = place.send(busy, 0, { body: HELD_NOTE }).catch(() => null);
  pods.push(await place.start(1, 2, { TOPOLOGY_EPOCH: '2' }));
  await until('the others have moved', () => place.count(0, 'guildway_guild_records') === leaving.length - 1);
  assert.equal((await place.send(busy, 0, { body: '2' })).status, 201);
  assert.deepEqual(notesIn(place, 0).get(busy), ['1', '2']);
  assert.equal(pods[0]?.topologies().length, 2);
  releaseNotes();
  await running;
  await inForce(pods, 2);
  assert.deepEqual(notesIn(place, 1).get(busy), ['1', '2', HELD_NOTE]);
});
