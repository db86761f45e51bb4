// When two requests count as the same, for how long, and for which caller.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { REST } from '@discordjs/rest';
import { defineBot } from '../../../../src/bot/define-bot.ts';
import { callerOf } from '../../../../src/gateway/dispatch/caller.ts';
import type { Host } from '../../../../src/gateway/dispatch/context.ts';
import { EventWebhookDispatch } from '../../../../src/gateway/dispatch/event-webhooks.ts';
import { FetchDispatch } from '../../../../src/gateway/dispatch/fetch.ts';
import { IdempotentRunner } from '../../../../src/gateway/dispatch/idempotent-runner.ts';
import {
  identityOfEventWebhook,
  identityOfInteraction,
  identityOfKey,
  identityOfStripeEvent,
  type KeyedRequest,
} from '../../../../src/gateway/dispatch/identity.ts';
import { InteractionWebhook } from '../../../../src/gateway/dispatch/interaction-webhook.ts';
import { InteractionDispatch } from '../../../../src/gateway/dispatch/interactions.ts';
import { HINT_LIFE_MS } from '../../../../src/protocol/hints.ts';
import { inMs } from '../../../../src/time.ts';
import { ManualClocks } from '../../../support/hints.ts';
import { command, GUILD } from '../../../support/interactions.ts';
import { NOTES, noFaults, notesOf, openTestStore, silent, temporaryFolder } from '../../../support/store.ts';

const OTHER_GUILD = '81384788765712384';
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

type Note = (context: {
  transaction(work: (db: { run(sql: string, ...values: string[]): void }) => void): void;
}) => void;
const note: Note = (context) =>
  context.transaction((db) => db.run('INSERT INTO notes (guild_id, text) VALUES (?, ?)', GUILD, 'done'));

const bot = defineBot({
  name: 'test',
  tables: ['notes'],
  migrations: [NOTES],
  commands: [
    {
      name: 'note',
      description: 'Writes a note',
      run(_, context) {
        note(context);
        return { type: 4, data: { content: 'done' } };
      },
    },
  ],
  webhookEvents: { ENTITLEMENT_CREATE: (_, context) => note(context) },
  fetch(_, context) {
    note(context);
    return new Response('done');
  },
});

/** A gateway pod's dispatch over a store with a manual clock; each call runs in a new process. */
function startPod() {
  const folder = temporaryFolder();
  const clocks = new ManualClocks();
  const store = openTestStore(folder.file('pod'), { now: clocks.now });
  const webhook = new InteractionWebhook('http://127.0.0.1:9');
  const host: Host = { pod: 0, store, rest: null as unknown as REST, owns: () => true, log: silent };
  const parts = () => ({
    bot,
    host,
    once: new IdempotentRunner({ ledger: store.ledger, faults: noFaults, log: silent }),
  });
  const delivery = { guildId: GUILD, requestId: 'r', deadlineAt: inMs(MINUTE_MS) };
  const fetch = async (target: string, headers: string[], body: string, guildId = GUILD) => {
    const signal = () => new AbortController().signal;
    const request = { method: 'POST', target, headers, body: Buffer.from(body), signal };
    return (await new FetchDispatch(parts()).serve({ ...delivery, ...request, guildId })).status;
  };
  return {
    /** Prunes what may be pruned after a time. */
    pass(ms: number) {
      clocks.advance(ms);
      while (store.ledger.prune(1_000) > 0);
    },
    notes: () => notesOf(store).length,
    stripe: (event: object) => fetch('/webhooks/stripe', [], JSON.stringify(event)),
    keyed: (guildId: string, key: string, ...headers: string[]) =>
      fetch(`/api/guilds/${guildId}/notes`, ['idempotency-key', key, ...headers], 'x', guildId),
    async interaction(interaction: ReturnType<typeof command>) {
      const body = Buffer.from(JSON.stringify(interaction));
      const dispatch = new InteractionDispatch({ ...parts(), webhook });
      return (await dispatch.serve(interaction, { ...delivery, body, deferred: 0, completeUntil: null })).status;
    },
    async event(payload: string) {
      const dispatch = new EventWebhookDispatch(parts());
      return (await dispatch.serve(JSON.parse(payload), { ...delivery, body: Buffer.from(payload) })).status;
    },
    [Symbol.dispose]() {
      webhook.close();
      store.close();
      folder[Symbol.dispose]();
    },
  };
}

const stripeEvent = (more: object = {}) => ({ id: 'evt_1', type: 'invoice.paid', ...more });

test('a Stripe event is remembered for longer than a stand-in stores it', async () => {
  using pod = startPod();
  await pod.stripe(stripeEvent());
  pod.pass(HINT_LIFE_MS.event + HOUR_MS);
  assert.equal(await pod.stripe(stripeEvent()), 200);
  assert.equal(pod.notes(), 1);
});

test('an interaction is remembered for longer than its token is valid, and so for longer than a stand-in stores it', async () => {
  using pod = startPod();
  const interaction = command('note');
  await pod.interaction(interaction);
  pod.pass(15 * MINUTE_MS + MINUTE_MS);
  assert.ok(HINT_LIFE_MS.interaction < 15 * MINUTE_MS);
  assert.equal(await pod.interaction(interaction), 200);
  assert.equal(pod.notes(), 1);
});

const DISCORD_EVENT = `{"version":1,"application_id":"7","type":1,"event":{"type":"ENTITLEMENT_CREATE",
  "timestamp":"2026-01-31T12:00:00.123456","data":{"id":"1","user_id":"2","guild_ids":["3","4"]}}}`;

test("Discord's webhook events are remembered for longer than a stand-in stores them", async () => {
  using pod = startPod();
  await pod.event(DISCORD_EVENT);
  pod.pass(HINT_LIFE_MS.event + HOUR_MS);
  assert.equal(await pod.event(DISCORD_EVENT), 204);
  assert.equal(pod.notes(), 1);
});

test('an Idempotency-Key is remembered for a day', async () => {
  using pod = startPod();
  await pod.keyed(GUILD, 'key-1');
  pod.pass(23 * HOUR_MS);
  assert.equal(await pod.keyed(GUILD, 'key-1'), 200);
  assert.equal(pod.notes(), 1);
});

test('a Stripe event is identified by its id, whatever else it contains', async () => {
  using pod = startPod();
  const others = [
    { pending_webhooks: 2 },
    { pending_webhooks: 0 },
    { api_version: '2026-01-01' },
    { data: { object: {} } },
  ];
  for (const more of others) assert.equal(await pod.stripe(stripeEvent(more)), 200);
  assert.equal(pod.notes(), 1);
  assert.equal(await pod.stripe(stripeEvent({ id: 'evt_2' })), 200);
  assert.equal(pod.notes(), 2);
});

test('a Stripe event without a usable id is identified by its bytes', async () => {
  using pod = startPod();
  for (const id of [undefined, null, 7, '', 'evt with spaces', 'x'.repeat(300)]) {
    const before = pod.notes();
    for (let i = 0; i < 2; i++) assert.equal(await pod.stripe({ id, type: 'a' }), 200);
    assert.equal(await pod.stripe({ id, type: 'b' }), 200);
    // Without a value there is no key in JSON.
    assert.equal(pod.notes() - before, 2, JSON.stringify(id));
    pod.pass(97 * HOUR_MS);
  }
});

test('a Discord webhook event is identified by its content, regardless of formatting', async () => {
  using pod = startPod();
  const { event, ...rest } = JSON.parse(DISCORD_EVENT);
  const { data, ...about } = event;
  const { guild_ids, ...ids } = data;
  const same = [
    DISCORD_EVENT,
    JSON.stringify(JSON.parse(DISCORD_EVENT)),
    JSON.stringify({ event: { data: { guild_ids, ...ids }, ...about }, ...rest, version: 2, new_key: true }),
  ];
  for (const payload of same) assert.equal(await pod.event(payload), 204);
  assert.equal(pod.notes(), 1);
  const different = [
    { ...rest, event: { ...about, timestamp: '2026-01-31T12:00:00.123457', data } },
    { ...rest, event: { ...about, data: { ...data, id: '9' } } },
    { ...rest, event: { ...about, data: { ...data, guild_ids: ['4', '3'] } } },
    { ...rest, application_id: '8', event },
  ];
  for (const payload of different) assert.equal(await pod.event(JSON.stringify(payload)), 204);
  assert.equal(pod.notes(), 1 + different.length);
});

test('an interaction with the id of another one is refused', async () => {
  using pod = startPod();
  const interaction = command('note');
  await pod.interaction(interaction);
  await assert.rejects(pod.interaction({ ...interaction, token: 'another' } as typeof interaction), {
    code: 'IDENTITY_REUSED',
  });
  assert.equal(pod.notes(), 1);
});

test('an Idempotency-Key is scoped to one guild', async () => {
  using pod = startPod();
  for (const guildId of [GUILD, OTHER_GUILD, GUILD, OTHER_GUILD]) {
    assert.equal(await pod.keyed(guildId, 'key-1', 'authorization', 'Bearer x'), 200);
  }
  assert.equal(pod.notes(), 2);
});

const body = Buffer.from('{}');
const keyed: KeyedRequest = { guildId: '1', method: 'POST', target: '/api/guilds/1/notes', headers: [], body };
const keyOf = (key: string, other: Partial<KeyedRequest> = {}) => identityOfKey(key, { ...keyed, ...other }, null);

test('each kind of identity is remembered for the documented time', () => {
  assert.equal(identityOfInteraction('1', null, body).retentionMs, HOUR_MS);
  assert.equal(keyOf('k').retentionMs, 24 * HOUR_MS);
  assert.equal(identityOfStripeEvent(Buffer.from('{"id":"evt_1"}'), null).retentionMs, 96 * HOUR_MS);
  assert.equal(identityOfEventWebhook({}, null).retentionMs, 96 * HOUR_MS);
});

test('an Idempotency-Key is scoped to one guild and one caller', () => {
  const others: Partial<KeyedRequest>[] = [
    {},
    { guildId: '2' },
    { guildId: null },
    { headers: ['authorization', 'a'] },
    { headers: ['authorization', 'b'] },
  ];
  const keys = others.map((other) => keyOf('k', other).key);
  assert.equal(new Set([...keys, keyOf('other').key]).size, others.length + 1);
});

test('the same key with another method, target or body is another request', () => {
  const others: Partial<KeyedRequest>[] = [
    {},
    { method: 'PUT' },
    { target: '/api/guilds/1/warnings' },
    { target: '/api/guilds/1/notes?force' },
    { body: Buffer.from('{"a":1}') },
  ];
  const identities = others.map((other) => keyOf('k', other));
  assert.equal(new Set(identities.map(({ key }) => key)).size, 1);
  assert.equal(new Set(identities.map(({ bodyHash }) => bodyHash)).size, others.length);
});

const caller = (headers: readonly string[], cookies: readonly string[] | null = null): string =>
  JSON.stringify(callerOf(headers, cookies));

test('cookies of load balancers, CDNs and analytics do not distinguish callers', () => {
  const alice = caller(['cookie', 'session=alice']);
  for (const cookie of [
    ...['AWSALB=1', 'AWSALBCORS=1', 'AWSALBTG=1', 'AWSELB=1', 'GCLB=1', 'ARRAffinity=1', 'ARRAffinitySameSite=1'],
    ...[
      'ApplicationGatewayAffinityCORS=1',
      '__cf_bm=1',
      '__cflb=1',
      'cf_clearance=1',
      'INGRESSCOOKIE=1',
      'SERVERID=s1',
    ],
    ...['BIGipServerpool_http=1', 'NSC_abc=1', 'incap_ses_1_2=1', 'DO-LB=1', '_ga=1', '_ga_AB12=1', '_gid=1', '_fbp=1'],
  ]) {
    for (const value of [cookie, cookie.replace('=1', '=2')]) {
      assert.equal(caller(['cookie', `${value}; session=alice`]), alice, value);
      assert.equal(caller(['cookie', 'session=alice', 'cookie', value]), alice, value);
    }
  }
  for (const cookie of ['_gateway_session=1', '_gallery=1', 'session2=1', 'awsalb=1', '_hjkl=1', 'NSC=1', '']) {
    const another = caller(['cookie', `${cookie}; session=alice`]);
    assert.equal(another === alice, cookie === '', `${cookie} may be a session`);
  }
});

test('with Authorization alone, cookies do not count; with declared cookies, these and Authorization do', () => {
  const bearer = ['authorization', 'Bearer alice'];
  assert.equal(caller([...bearer, 'cookie', 'lb=1']), caller([...bearer, 'cookie', 'lb=2']));
  assert.notEqual(caller([...bearer, 'cookie', 'lb=1']), caller(['authorization', 'Bearer bob', 'cookie', 'lb=1']));

  const declared = ['sid'];
  const sid = (value: string, more = '') => caller([...bearer, 'cookie', `lb=1; sid=${value}${more}`], declared);
  assert.equal(sid('alice'), sid('alice', '; theme=dark'));
  assert.notEqual(sid('alice'), sid('bob'), 'behind a proxy whose password everybody has');
  assert.notEqual(caller(['cookie', 'sid=alice'], declared), caller(['cookie', 'sid=bob'], declared));
  assert.equal(caller(['cookie', 'theme=1'], declared), caller([], declared));
});

test('the identity of a caller does not depend on the order of cookies, and includes their names', () => {
  assert.equal(caller(['cookie', 'a=1; b=2']), caller(['cookie', 'b=2; a=1']));
  assert.notEqual(caller(['cookie', 'a=1; b=2']), caller(['cookie', 'a=2; b=1']));
  assert.notEqual(caller(['authorization', 'a=1']), caller(['cookie', 'a=1']));
  assert.equal(caller(['x-forwarded-for', '1.1.1.1']), caller([]));
});

test('a bot declares its session cookies by name', () => {
  for (const name of ['', 'a b', 'a=b', 'a;b', 'ä']) {
    assert.throws(() => defineBot({ name: 'test', sessionCookies: [name] }), /is not the name of a cookie/, name);
  }
  defineBot({ name: 'test', sessionCookies: ['__Host-sid'] });
});
