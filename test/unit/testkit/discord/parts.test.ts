import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { GatewaySession } from '../../../../testkit/discord/gateway/session.ts';
import { SessionIndex } from '../../../../testkit/discord/gateway/session-index.ts';
import { InteractionRecords, type NewRecord } from '../../../../testkit/discord/interactions/records.ts';
import { parseJson } from '../../../../testkit/discord/json.ts';
import { createKeyPair, WebhookSigner } from '../../../../testkit/discord/keys.ts';
import { resolveOptions } from '../../../../testkit/discord/options.ts';
import { type DiscordError, FormErrors } from '../../../../testkit/discord/rest/errors.ts';
import { RateLimits } from '../../../../testkit/discord/rest/rate-limits.ts';
import { type Route, Router } from '../../../../testkit/discord/rest/router.ts';
import { redactPath } from '../../../../testkit/discord/rest/traffic.ts';
import { SnowflakeSource } from '../../../../testkit/discord/snowflake.ts';
import { MessageStore, type StoredMessage } from '../../../../testkit/discord/store/messages.ts';
import { isSigned } from '../../../support/simulator.ts';

test('ids that a library sends as numbers keep every digit', () => {
  const id = '1432951147298512976';
  assert.deepEqual(parseJson(`{"id":${id},"list":[${id}, 7],"text":"${id}","color":16711680,"ratio":0.5}`), {
    ...{ id, list: [id, 7], text: id, color: 16_711_680, ratio: 0.5 },
  });
});

describe('a session', () => {
  const facts = { id: 's', shard: 0, numShards: 1, intents: 0, properties: {}, identifiedAt: 0 };

  test('keeps a bounded number of events for a resume', () => {
    const session = new GatewaySession(facts, 5);
    const sent: string[] = [];
    const replay = (seq: number) => {
      sent.length = 0;
      session.connection = { send: (frame: string) => sent.push(frame) } as unknown as GatewaySession['connection'];
      session.replay(seq);
      session.connection = null;
      return sent.map((frame) => JSON.parse(frame));
    };
    // Far more than the buffer holds, so that it is compacted several times.
    for (let i = 1; i <= 5000; i++) session.dispatch('E', String(i));
    assert.deepEqual([session.canReplay(4994), session.canReplay(4995), session.canReplay(5001)], [false, true, false]);
    assert.deepEqual(
      replay(4995).map(({ s, d, t, op }) => [s, d, t, op]),
      [4996, 4997, 4998, 4999, 5000].map((seq) => [seq, seq, 'E', 0]),
    );
    assert.deepEqual(replay(5000), []);
  });

  test('is found by the shard of a guild, for every number of shards that is in use', () => {
    const index = new SessionIndex();
    const create = (id: string, shard: number, numShards: number) => {
      const session = new GatewaySession({ ...facts, id, shard, numShards }, 10);
      index.add(session);
      return session;
    };
    const guildId = String((7n << 22n) | 5n);
    const [ofTwo, ofThree, elsewhere] = [create('a', 1, 2), create('b', 1, 3), create('c', 0, 2)];
    assert.equal(index.deliver('X', guildId, '{}'), 2);
    assert.deepEqual([ofTwo.seq, ofThree.seq, elsewhere.seq], [1, 1, 0]);
    assert.equal(index.deliver('X', null, '{}'), 1);
    index.remove(ofThree);
    assert.equal(index.deliver('X', guildId, '{}'), 1);
  });
});

describe('interaction records', () => {
  const facts: NewRecord = {
    type: 2,
    guildId: null,
    channelId: '1',
    userId: '2',
    name: 'ping',
    commandType: 1,
    sourceMessageId: null,
  };

  test('are found by their token until some time after its expiry', () => {
    let now = Date.UTC(2026, 0, 1);
    const clock = { now: () => now };
    const records = new InteractionRecords(clock, new SnowflakeSource(clock));
    const record = records.create(facts);
    assert.equal(records.byToken(record.token), record);
    assert.equal(records.byToken(`${record.token}x`), undefined);
    assert.equal(records.byToken('%%%'), undefined);
    now += 15 * 60_000;
    assert.equal(records.expired(record), false);
    now += 1;
    assert.equal(records.expired(record), true);
    now += 300_000;
    records.create(facts);
    assert.deepEqual([records.byToken(record.token), records.size], [undefined, 1]);
  });
});

describe('rate limits', () => {
  test('count in windows that begin with the first request', () => {
    const limits = new RateLimits(2);
    const allowed = [0, 1, 2, 999, 1000, 1001, 1002].map((now) => limits.global(now).allowed);
    assert.deepEqual(allowed, [true, true, false, false, true, true, false]);
    assert.equal(limits.global(1500).retryAfter, 0.5);
  });

  test('of a route are counted per channel', () => {
    const limits = new RateLimits(50);
    const rule = { limit: 1, windowMs: 1000, by: 'channel' };
    const hit = (channel: string) => limits.route('POST /x', channel, rule, 0).allowed;
    assert.deepEqual([hit('a'), hit('b'), hit('a')], [true, true, false]);
  });

  test('block an address after 10,000 invalid requests in ten minutes', () => {
    const limits = new RateLimits(50);
    for (let i = 0; i < 9999; i++) assert.equal(limits.invalid('a', 0), false);
    assert.equal(limits.blocked('a', 0), 0);
    assert.equal(limits.invalid('a', 0), true);
    assert.equal(limits.blocked('a', 1000), 599);
    assert.deepEqual([limits.blocked('b', 1000), limits.blocked('a', 600_001)], [0, 0]);
  });
});

describe('small parts', () => {
  test('the router prefers literal segments, and decodes parameters', () => {
    const route = (path: string): Route => ({ method: 'GET', path, auth: 'none', handle: () => ({ status: 200 }) });
    const router = new Router([route('/users/:user'), route('/users/@me'), route('/webhooks/:a/:b/messages/:message')]);
    assert.equal(router.match('GET', '/users/@me')?.name, 'GET /users/@me');
    assert.equal(router.match('GET', '/users/%40me')?.name, 'GET /users/@me');
    assert.deepEqual(router.match('GET', '/users/5')?.params, { user: '5' });
    assert.equal(router.match('GET', '/webhooks/1/t/messages/%40original')?.params.message, '@original');
    assert.equal(router.match('POST', '/users/5'), null);
    assert.equal(router.match('GET', '/users/%zz')?.params.user, '%zz');
  });

  test('tokens do not appear in logs', () => {
    assert.equal(redactPath('/interactions/1/secret/callback'), '/interactions/1/…/callback');
    assert.equal(redactPath('/webhooks/1/secret'), '/webhooks/1/…');
    assert.equal(redactPath('/channels/1/messages/2'), '/channels/1/messages/2');
  });

  test('form errors are thrown together, grouped by path', () => {
    const errors = new FormErrors();
    errors.throwIfAny();
    errors.text('a.0.b', 'xx', 1, 1);
    errors.list('c', 'x', 0, 1);
    assert.throws(
      () => errors.throwIfAny(),
      (error: DiscordError) => {
        const { a, c } = error.body.errors as { a: { 0: { b: object } }; c: object };
        return error.code === 50035 && '_errors' in a[0].b && '_errors' in c;
      },
    );
  });

  test('the message store drops the oldest messages of a channel, and lists those visible to a user', () => {
    const changes: string[] = [];
    const store = new MessageStore(3, (change, { message }) => changes.push(`${change} ${message.id}`));
    const add = (id: string, visibleTo: string | null) =>
      store.add({ message: { id } as StoredMessage['message'], channelId: 'c', guildId: null, visibleTo });
    add('1', null);
    add('2', 'ann');
    add('3', null);
    add('4', null);
    const ids = (viewer: string) => store.list('c', viewer).map(({ id }) => id);
    assert.deepEqual([ids('ann'), ids('bob'), store.size], [['4', '3', '2'], ['4', '3'], 3]);
    assert.deepEqual([store.delete('2'), store.delete('2')], [true, false]);
    assert.equal(changes.at(-1), 'delete 2');
  });

  test('keys are seeded or random, and node:crypto verifies their signatures', () => {
    const pair = createKeyPair('seed');
    assert.deepEqual(createKeyPair('seed'), pair);
    assert.notDeepEqual(createKeyPair(), createKeyPair());
    const body = Buffer.from('{"type":1}');
    const headers = new WebhookSigner(pair).sign(body, 1_700_000_000_999);
    assert.equal(headers['x-signature-timestamp'], '1700000000');
    assert.equal(isSigned(pair.publicKey, { ...headers }, body), true);
    assert.equal(isSigned(pair.publicKey, { ...headers }, Buffer.from('{"type":2}')), false);
    const other = { ...pair, publicKey: createKeyPair('other').publicKey };
    assert.throws(() => new WebhookSigner(other), /does not match/);
  });

  test('options are checked', () => {
    assert.throws(() => resolveOptions({ guilds: -1 }), /guilds must be an integer of 0 or more/);
    assert.throws(() => resolveOptions({ maxConcurrency: 0 }), /maxConcurrency must be an integer of 1 or more/);
    assert.equal(resolveOptions({}).applicationId, resolveOptions({ seed: 1 }).applicationId);
  });
});
