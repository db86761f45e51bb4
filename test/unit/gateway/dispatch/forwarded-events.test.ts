// Events of a guild that reach another pod: stored there, and handled once at the owner.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { REST } from '@discordjs/rest';
import { Registry } from 'prom-client';
import { defineBot } from '../../../../src/bot/define-bot.ts';
import type { BotDefinition } from '../../../../src/bot/types.ts';
import { GuildwayError } from '../../../../src/errors.ts';
import type { GuildEvent } from '../../../../src/gateway/discord-seam.ts';
import { EventDispatch } from '../../../../src/gateway/dispatch/events.ts';
import { ForwardedEvents } from '../../../../src/gateway/dispatch/forwarded-events.ts';
import { IdempotentRunner } from '../../../../src/gateway/dispatch/idempotent-runner.ts';
import { empty } from '../../../../src/gateway/dispatch/responses.ts';
import { createEventForwarder } from '../../../../src/gateway/hints/event-forwarder.ts';
import { createGatewayMetrics } from '../../../../src/gateway/metrics.ts';
import { GuildActivity } from '../../../../src/gateway/moving/guild-activity.ts';
import { Guard } from '../../../../src/gateway/serve/guard.ts';
import { HEADER, headerValue, MAX_LINK_BODY } from '../../../../src/link/message.ts';
import { createTopology } from '../../../../src/routing/topology.ts';
import { inMs } from '../../../../src/time.ts';
import { recordingLog } from '../../../support/discord-pod.ts';
import { ownershipOf } from '../../../support/ownership.ts';
import { noFaults, notesOf, openTestStore, silent, temporaryFolder } from '../../../support/store.ts';

const topology = createTopology({ strategy: 'discord-shard', pods: 2, shards: 2 });
/** Owned by pod 1, and by pod 0. */
const [MINE, OTHERS] = ['102860784345829376', '102860784333246464'] as const;

const event = (fields: Partial<GuildEvent> = {}): GuildEvent => ({
  ...{ name: 'ENTITLEMENT_CREATE', data: { guild_id: MINE, sku_id: '5' }, guildId: MINE },
  ...{ shard: 0, sessionId: 'of-pod-0', sequence: 7, ...fields },
});
const body = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

type Handlers = NonNullable<BotDefinition['events']>;
const noteEach: Handlers = {
  ENTITLEMENT_CREATE: ({ sku_id }, context) =>
    context.transaction((db) => {
      db.run('INSERT INTO notes (guild_id, text) VALUES (?, ?)', context.guildId, sku_id);
    }),
};

/** Pod 1, as a process that has just started on its database. */
function ownerOn(store: ReturnType<typeof openTestStore>, handlers: Handlers, why: string | null = null) {
  const host = { pod: 1, store, rest: null as unknown as REST, owns: () => true, log: silent };
  const bot = defineBot({ name: 'test', events: handlers });
  return new ForwardedEvents({
    guard: new Guard({ ownership: ownershipOf(1, topology), routes: [] }),
    events: new EventDispatch({
      ...{ bot, host, activity: new GuildActivity(), faults: noFaults },
      metrics: createGatewayMetrics(new Registry()),
    }),
    once: new IdempotentRunner({ ledger: store.ledger, faults: noFaults, log: silent }),
    unavailable: () => why,
  });
}

test('the owner handles it once, even if it is repeated after a restart of either pod', async () => {
  using folder = temporaryFolder();
  const deliver = async (sent: GuildEvent): Promise<number> => {
    using store = openTestStore(folder.file('pod'));
    const owner = ownerOn(store, noteEach);
    const [first, second] = await Promise.all([
      owner.serve(body(sent), inMs(5_000)),
      owner.serve(body(sent), inMs(5_000)),
    ]);
    assert.deepEqual([first.status, second.status], [204, 204]);
    return notesOf(store).length;
  };
  assert.equal(await deliver(event()), 1);
  assert.equal(await deliver(event()), 1);
  assert.equal(await deliver(event({ sequence: 8 })), 2);
  assert.equal(await deliver(event({ sessionId: 'another' })), 3);
});

test('two deliveries at once run the handler once', async () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const gate = Promise.withResolvers<void>();
  let runs = 0;
  const owner = ownerOn(store, {
    ENTITLEMENT_CREATE: async () => {
      runs++;
      await gate.promise;
    },
  });
  const both = [owner.serve(body(event()), inMs(5_000)), owner.serve(body(event()), inMs(5_000))];
  gate.resolve();
  assert.deepEqual(
    (await Promise.all(both)).map(({ status }) => status),
    [204, 204],
  );
  assert.equal(runs, 1);
});

test("a request that is not an event of one of this pod's guilds changes nothing", async () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const owner = ownerOn(store, noteEach);
  const misdirected = await owner.serve(body(event({ guildId: OTHERS })), inMs(5_000));
  assert.equal(misdirected.status, 421);
  assert.equal(headerValue(misdirected.headers, HEADER.owner), '0');
  const malformed = [
    ...['', '{', 'null', '[]', '"text"', '{}'].map((text) => Buffer.from(text)),
    ...[{ guildId: null }, { guildId: '../1' }, { sequence: -1 }, { sequence: '7' }, { shard: 0.5 }].map((fields) =>
      body({ ...event(), ...fields }),
    ),
    body({ ...event(), name: undefined }),
    body({ ...event(), sessionId: 5 }),
  ];
  for (const each of malformed) assert.equal((await owner.serve(each, inMs(5_000))).status, 400, each.toString());
  const closed = await ownerOn(store, noteEach, 'the database is damaged').serve(body(event()), inMs(5_000));
  assert.equal(closed.status, 503);
  assert.equal(headerValue(closed.headers, HEADER.refusal), 'the database is damaged');
  assert.deepEqual(notesOf(store), []);
});

test("a handler that throws counts as having handled it, as for the pod's own events", async () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const owner = ownerOn(store, {
    ENTITLEMENT_CREATE: () => {
      throw new Error('a bug');
    },
  });
  assert.equal((await owner.serve(body(event()), inMs(5_000))).status, 204);
});

test('an event that the database refuses is delivered again', async () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  for (const code of ['FENCED', 'TOPOLOGY_MISMATCH'] as const) {
    store.connection.retire(new GuildwayError(code, 'another process is the owner'));
    await assert.rejects(ownerOn(store, noteEach).serve(body(event()), inMs(5_000)), { code: 'STORE_FAILED' });
  }
});

test('the forwarder stores it as a request for its owner, and retries until there is room', async () => {
  const { log, lines } = recordingLog();
  const statuses = [507, 503, 201];
  const kept: unknown[] = [];
  const pauses: number[] = [];
  const forward = createEventForwarder({
    put: async (hint) => {
      kept.push({ ...hint, body: JSON.parse(hint.body.toString()) });
      return empty(statuses[kept.length - 1] ?? 500);
    },
    pause: async (ms) => void pauses.push(ms),
    log,
  });
  await forward(event());
  assert.equal(kept.length, 3);
  assert.deepEqual(kept[2], {
    ...{ identity: 'gateway-event:of-pod-0:7', guildId: MINE, target: '/_guildway/events' },
    ...{ headers: ['content-type', 'application/json'], body: event(), bodyHash: null },
    ...{ deferred: 0, uncertain: false, lifeMs: 3 * 86_400_000 },
  });
  assert.equal(pauses.length, 2);
  assert.ok(pauses.every((ms) => ms >= 1_000 && ms <= 3_000));
  assert.deepEqual(
    lines.map(({ level }) => level),
    ['error'],
  );
});

test('the forwarder gives up when the pod shuts down, so that Discord repeats the event', async () => {
  const forward = createEventForwarder({
    put: async () => empty(507),
    pause: () => Promise.reject(new Error('the pod ends')),
    log: silent,
  });
  await assert.rejects(forward(event()), /the pod ends/);
});

test('a session does not wait for an event that is already stored or set aside', async () => {
  for (const status of [200, 201, 423]) {
    let asked = 0;
    const forward = createEventForwarder({
      put: async () => {
        asked++;
        return empty(status);
      },
      pause: () => Promise.reject(new Error('the pod ends')),
      log: silent,
    });
    await forward(event());
    assert.equal(asked, 1, String(status));
  }
});

test('an event that no pod accepts is dropped with a log line', async () => {
  const { log, lines } = recordingLog();
  const forward = createEventForwarder({
    put: () => Promise.reject(new Error('not asked')),
    pause: () => Promise.reject(new Error('not asked')),
    log,
  });
  await forward(event({ data: 'x'.repeat(MAX_LINK_BODY) }));
  assert.match(lines[0]?.text ?? '', /dropped/);
});
