// src/gateway/store/hint-statements.ts has the SQL.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NewHint } from '../../../../src/gateway/store/hints.ts';
import type { Store } from '../../../../src/gateway/store/store.ts';
import { asWallTime } from '../../../../src/time.ts';
import { openTestStore, temporaryFolder } from '../../../support/store.ts';

const hint = (identity: string, overrides: Partial<NewHint> = {}): NewHint => ({
  identity,
  guildId: '102860784329052160',
  target: '/webhooks/discord',
  headers: ['content-type', 'application/json'],
  body: Buffer.from('{"n":1}'),
  bodyHash: 'hash',
  deferred: 5,
  uncertain: false,
  lifeMs: 1_000,
  ...overrides,
});

const putAll = (store: Store, ...hints: NewHint[]) => Promise.all(hints.map((one) => store.hints.put(one)));

test('hints survive the process, complete and in order', async () => {
  using folder = temporaryFolder();
  const path = folder.file('pod');
  const binary = hint('stripe:evt_1', { guildId: null, deferred: 0, body: Buffer.from([0, 255, 10]), uncertain: true });
  {
    using store = openTestStore(path, { now: () => asWallTime(1_000) });
    const kinds = (await putAll(store, hint('interaction:1'), binary, hint('interaction:1'))).map(({ kind }) => kind);
    assert.deepEqual(kinds, ['stored', 'stored', 'known']);
    assert.deepEqual(await store.hints.put(hint('interaction:1', { bodyHash: 'other' })), { kind: 'conflict' });
  }
  using store = openTestStore(path);
  assert.equal(store.hints.count, 2);
  assert.equal(store.hints.bytes, 7 + 3);
  const [first, second] = store.hints.list();
  assert.equal(first?.identity, 'interaction:1');
  assert.equal(first?.storedAt, 1_000);
  const { bodyHash, lifeMs, ...content } = binary;
  assert.equal(second?.expiresAt, 2_000);
  assert.deepEqual(store.hints.read(second?.id ?? 0), { ...second, ...content });
  await store.hints.remove(first?.id ?? 0);
  await store.hints.remove(first?.id ?? 0);
  assert.equal(store.hints.count, 1);
  assert.equal(store.hints.bytes, 3);
  assert.equal(store.hints.read(first?.id ?? 0), null);
});

test('an attempt is recorded, and the oldest hint expires first', async () => {
  using folder = temporaryFolder();
  let now = 1_000;
  using store = openTestStore(folder.file('pod'), { now: () => asWallTime(now) });
  await putAll(store, hint('interaction:1', { lifeMs: 2_000 }), hint('interaction:2', { lifeMs: 1_000 }));
  const [first, second] = store.hints.list();
  await store.hints.noteAttempt(first?.id ?? 0);
  assert.equal(store.hints.read(first?.id ?? 0)?.uncertain, true);
  assert.equal(store.hints.read(second?.id ?? 0)?.uncertain, false);
  assert.deepEqual(store.hints.expired(10), []);
  now = 2_500;
  assert.deepEqual(store.hints.expired(10), [second?.id]);
  now = 3_500;
  assert.deepEqual(store.hints.expired(10), [second?.id, first?.id]);
  assert.deepEqual(store.hints.expired(1), [second?.id]);
});

test('a hint is on disk (synchronous=FULL) before it is acknowledged', async () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const { sqlite } = store.connection;
  const seen: unknown[] = [];
  sqlite.function('look', () => {
    seen.push(sqlite.prepare('PRAGMA synchronous').get()?.synchronous);
    return 0;
  });
  const FULL = 2;
  // Inside the transaction that stores it, which starts with the settings of the previous one.
  sqlite.exec('CREATE TEMP TRIGGER stored AFTER INSERT ON guildway_hints BEGIN SELECT look(); END');
  store.connection.transaction('normal', () => {});
  await putAll(store, hint('interaction:1'), hint('stripe:evt_1'));
  assert.deepEqual(seen, [FULL, FULL]);

  // A redelivery by an operator is acknowledged only when it is on disk, too.
  const [entry] = store.hints.list();
  await store.hints.setAside(entry?.id ?? 0, 'rejected');
  sqlite.exec('CREATE TEMP TRIGGER taken AFTER UPDATE ON guildway_hints BEGIN SELECT look(); END');
  store.connection.transaction('normal', () => {});
  store.hints.takeBack(entry?.id ?? 0, 1_000, false);
  assert.deepEqual(seen, [FULL, FULL, FULL]);
});

test('set-aside hints are counted separately, do not expire, and wait again when they are taken back', async () => {
  using folder = temporaryFolder();
  let now = 1_000;
  const path = folder.file('pod');
  {
    using store = openTestStore(path, { now: () => asWallTime(now) });
    await putAll(store, hint('stripe:evt_1'), hint('stripe:evt_2', { body: Buffer.from('abc') }));
    const [first, second] = store.hints.list();
    await store.hints.setAside(first?.id ?? 0, 'rejected');
    await store.hints.setAside(first?.id ?? 0, 'twice');
    assert.deepEqual([store.hints.count, store.hints.bytes], [1, 3]);
    assert.deepEqual(store.hints.setAsideTotals, { count: 1, bytes: 7 });
    assert.deepEqual(await store.hints.put(hint('stripe:evt_1')), { kind: 'set-aside' });
    now = 9_000;
    assert.deepEqual(store.hints.expired(10), [second?.id]);
    await store.hints.prolong(second?.id ?? 0, 1);
    assert.deepEqual(store.hints.expired(10), []);
  }
  using store = openTestStore(path, { now: () => asWallTime(now) });
  assert.deepEqual([store.hints.count, store.hints.bytes], [1, 3]);
  assert.deepEqual(store.hints.setAsideTotals, { count: 1, bytes: 7 });
  assert.equal(store.hints.list()[0]?.identity, 'stripe:evt_2');
  const [entry] = store.hints.listSetAside(10);
  assert.deepEqual(
    [entry?.reason, entry?.setAsideAt, store.hints.findSetAside('stripe:evt_2')],
    ['rejected', 1_000, null],
  );
  const again = store.hints.takeBack(entry?.id ?? 0, 500, false);
  assert.deepEqual([again?.identity, again?.expiresAt, again && 'bytes' in again], ['stripe:evt_1', 9_500, false]);
  assert.equal(store.hints.takeBack(entry?.id ?? 0, 500, true), null);
  assert.deepEqual([store.hints.count, store.hints.bytes], [2, 10]);
  assert.deepEqual(store.hints.setAsideTotals, { count: 0, bytes: 0 });
  await store.hints.setAside(again?.id ?? 0, 'rejected');
  await store.hints.remove(again?.id ?? 0);
  assert.deepEqual(store.hints.setAsideTotals, { count: 0, bytes: 0 });
});

test('setting the clock back between two processes does not extend the life of a hint', async () => {
  using folder = temporaryFolder();
  const path = folder.file('pod');
  {
    using store = openTestStore(path, { now: () => asWallTime(700_000) });
    await putAll(store, hint('interaction:1', { lifeMs: 60_000 }));
  }
  {
    using store = openTestStore(path, { now: () => asWallTime(100_000) });
    const [entry] = store.hints.list();
    assert.deepEqual([entry?.storedAt, entry?.expiresAt], [100_000, 160_000]);
  }
  using store = openTestStore(path, { now: () => asWallTime(110_000) });
  const [entry] = store.hints.list();
  assert.deepEqual([entry?.storedAt, entry?.expiresAt], [100_000, 160_000]);
});
