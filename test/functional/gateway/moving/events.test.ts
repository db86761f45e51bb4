// Events of Discord's gateway while guilds move: real sessions at the simulator, several pods in one process.
// Of src/gateway/discord/{event-transit,needed-shards,shard-set,session-handover,manager}.ts and src/gateway/store/handled-events.ts.
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { defineBot } from '../../../../src/bot/define-bot.ts';
import { createTopology, type RoutingStrategy } from '../../../../src/routing/topology.ts';
import { type DiscordSimulator, startDiscordSimulator } from '../../../../testkit/discord/index.ts';
import { isReady, Place, reasonsOf, type Started } from '../../../support/place.ts';
import { NOTES } from '../../../support/store.ts';
import { until } from '../../../support/wait.ts';

const bot = defineBot({
  name: 'test',
  // GUILD_MESSAGES and MESSAGE_CONTENT.
  intents: (1 << 9) | (1 << 15),
  tables: ['notes'],
  migrations: [NOTES],
  events: {
    MESSAGE_CREATE: ({ content }, context) =>
      context.transaction((db) => {
        db.run('INSERT INTO notes (guild_id, text) VALUES (?, ?)', context.guildId ?? '', content);
      }),
    GUILD_CREATE: ({ id }, context) =>
      context.transaction((db) => {
        db.run('INSERT INTO notes (guild_id, text) VALUES (?, ?)', id, 'joined');
      }),
  },
  async fetch(request, context) {
    const text = await request.text();
    context.transaction((db) =>
      db.run('INSERT INTO notes (guild_id, text) VALUES (?, ?)', context.guildId ?? '', text),
    );
    return new Response('written', { status: 201 });
  },
});

const SHARDS = 5;

/** Messages of all guilds, one after the other. */
class Chatter {
  readonly sent = new Map<string, string[]>();
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(discord: DiscordSimulator) {
    const ids = [...discord.guilds.ids];
    for (const id of ids) this.sent.set(id, []);
    this.#running = (async () => {
      for (let i = 0; !this.#stopped; i++) {
        const guildId = ids[i % ids.length] as string;
        discord.events.messageCreate({ guildId, content: String(i) });
        this.sent.get(guildId)?.push(String(i));
        await delay(5);
      }
    })();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }
}

/** What was handled of each guild, by all pods, in the order of each. */
function handled(place: Place, ordinals: readonly number[]): Map<string, { pod: number; text: string }[]> {
  const found = ordinals.flatMap((pod) => {
    const sqlite = new DatabaseSync(place.path(pod), { readOnly: true });
    try {
      const rows = sqlite.prepare('SELECT guild_id AS guild, text FROM notes ORDER BY rowid').all();
      return (rows as { guild: string; text: string }[]).map((row) => ({ ...row, pod }));
    } finally {
      sqlite.close();
    }
  });
  return Map.groupBy(found, ({ guild }) => guild);
}

async function inForce(pods: readonly Started[], epoch: number): Promise<void> {
  const isInForce = (pod: Started): boolean =>
    isReady(pod) && pod.topologies().length === 1 && pod.topologies()[0]?.epoch === epoch;
  await until(`epoch ${epoch} is in force`, () => pods.every(isInForce), 30_000).catch((error: unknown) => {
    throw new Error(`${pods.map((pod) => `${JSON.stringify(pod.topologies())} ${reasonsOf(pod)}`).join('\n')}`, {
      cause: error,
    });
  });
}

/** Starts pods again, one after the other; some are killed. */
async function restart(place: Place, pods: Started[], number: number, epoch: number, killed: number[]): Promise<void> {
  for (let ordinal = pods.length - 1; ordinal >= 0; ordinal--) {
    if (!killed.includes(ordinal)) await pods[ordinal]?.drain();
    await pods[ordinal]?.close();
    pods[ordinal] = await place.start(ordinal, number, { TOPOLOGY_EPOCH: String(epoch) });
  }
}

for (const strategy of ['md5', 'discord-shard'] satisfies RoutingStrategy[]) {
  test(`${strategy}: three pods become five, and three again: each event of Discord is handled once, in order`, async () => {
    await using discord = await startDiscordSimulator({ guilds: 20, identifyWindowMs: 0 });
    await using place = await Place.make({
      bot,
      env: {
        ...{ ROUTING: strategy, DISCORD_SHARDS: String(SHARDS), DISCORD_TOKEN: discord.token },
        ...{ DISCORD_APP_ID: discord.applicationId, DISCORD_API_URL: discord.apiUrl },
        ...{ IDENTIFY_INTERVAL_MS: '1', EVENT_SKEW_MS: '200' },
      },
    });
    const pods = await Promise.all([0, 1, 2].map((ordinal) => place.start(ordinal, 3)));
    await until('all are ready', () => pods.every(isReady), 20_000);
    await using chatter = Object.assign(new Chatter(discord), {
      [Symbol.asyncDispose]: () => chatter.stop(),
    });
    const guilds = [...discord.guilds.ids];
    const write = async (guildId: string, text: string): Promise<void> => {
      const { status } = await place.send(guildId, 0, { body: text, key: text });
      assert.equal(status, 201, `${guildId} ${text}`);
    };
    const writeAll = (text: string): Promise<unknown> => Promise.all(guilds.map((guildId) => write(guildId, text)));
    await writeAll('write 1');
    const added = await Promise.all([3, 4].map((ordinal) => place.start(ordinal, 5, { TOPOLOGY_EPOCH: '2' })));
    await restart(place, pods, 5, 2, [1]);
    pods.push(...added);
    // Repeated wherever the guild is now, or while it moves.
    await writeAll('write 1');
    await writeAll('write 2');
    await inForce(pods, 2);
    await writeAll('write 2');
    await restart(place, pods, 3, 3, [0, 3]);
    await inForce(pods, 3);
    await chatter.stop();

    const { ownerOf } = createTopology({ strategy, pods: 3, shards: SHARDS });
    const ordinals = [0, 1, 2, 3, 4];
    const total = [...chatter.sent.values()].reduce((sum, { length }) => sum + length, 0);
    const messages = (notes: readonly { text: string; pod: number }[]) =>
      notes.filter(({ text }) => /^\d+$/.test(text));
    const count = (): number =>
      [...handled(place, ordinals).values()].reduce((sum, notes) => sum + messages(notes).length, 0);
    await until('all are handled', () => count() >= total, 10_000).catch(() => {});
    const found = handled(place, ordinals);
    for (const [guildId, contents] of chatter.sent) {
      const notes = messages(found.get(guildId) ?? []);
      assert.deepEqual(
        notes.map(({ text }) => text),
        contents,
        guildId,
      );
      assert.deepEqual(new Set(notes.map(({ pod }) => pod)), new Set([ownerOf(guildId)]), guildId);
    }
    for (const guildId of guilds) {
      const others = (found.get(guildId) ?? []).map(({ text }) => text).filter((text) => !/^\d+$/.test(text));
      // Nobody is told anew of a guild that has moved.
      assert.deepEqual(others.toSorted(), ['joined', 'write 1', 'write 2'], guildId);
    }
    const listed = pods.map((_, ordinal) => place.listed(ordinal));
    assert.deepEqual(listed.flat().toSorted(), guilds.toSorted(), 'each guild is listed once');
    if (strategy === 'discord-shard') {
      const connected = (): number => discord.gateway.sessions().filter((session) => session.connected).length;
      await until('sessions that no pod needs any more have ended', () => connected() === SHARDS);
    }
    assert.deepEqual(discord.violations.list(), []);
  });
}
