import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NewHint } from '../../src/gateway/store/hints.ts';
import { asWallTime } from '../../src/time.ts';
import { openTestStore, temporaryFolder } from '../support/store.ts';

const hint = (identity: string, overrides: Partial<NewHint> = {}): NewHint => ({
  identity,
  guildId: '102860784329052160',
  target: '/webhooks/discord',
  headers: ['content-type', 'application/json'],
  body: Buffer.from('{"n":1}'),
  bodyHash: 'hash',
  deferred: 5,
  uncertain: false,
  expiresAt: asWallTime(2_000),
  ...overrides,
});

test('hints survive the process, in their order, with everything in them', () => {
  using folder = temporaryFolder();
  const path = folder.file('pod');
  const binary = hint('stripe:evt_1', { guildId: null, deferred: 0, body: Buffer.from([0, 255, 10]), uncertain: true });
  {
    using store = openTestStore(path, { now: () => asWallTime(1_000) });
    const kinds = store.hints.put([hint('interaction:1'), binary, hint('interaction:1')]).map(({ kind }) => kind);
    assert.deepEqual(kinds, ['stored', 'stored', 'known']);
    assert.deepEqual(store.hints.put([hint('interaction:1', { bodyHash: 'other' })]), [{ kind: 'conflict' }]);
  }
  using store = openTestStore(path);
  assert.equal(store.hints.count, 2);
  assert.equal(store.hints.bytes, 7 + 3);
  const [first, second] = store.hints.list();
  assert.equal(first?.identity, 'interaction:1');
  assert.equal(first?.storedAt, 1_000);
  const { bodyHash, ...content } = binary;
  assert.deepEqual(store.hints.read(second?.id ?? 0), { ...second, ...content });
  store.hints.remove(first?.id ?? 0);
  store.hints.remove(first?.id ?? 0);
  assert.equal(store.hints.count, 1);
  assert.equal(store.hints.bytes, 3);
  assert.equal(store.hints.read(first?.id ?? 0), null);
});

test('an attempt is written down, and time runs out for the oldest first', () => {
  using folder = temporaryFolder();
  let now = 1_000;
  using store = openTestStore(folder.file('pod'), { now: () => asWallTime(now) });
  store.hints.put([
    hint('interaction:1', { expiresAt: asWallTime(3_000) }),
    hint('interaction:2', { expiresAt: asWallTime(2_000) }),
  ]);
  const [first, second] = store.hints.list();
  store.hints.markUncertain(first?.id ?? 0);
  assert.equal(store.hints.read(first?.id ?? 0)?.uncertain, true);
  assert.equal(store.hints.read(second?.id ?? 0)?.uncertain, false);
  assert.deepEqual(store.hints.expired(10), []);
  now = 2_500;
  assert.deepEqual(store.hints.expired(10), [second?.id]);
  now = 3_500;
  assert.deepEqual(store.hints.expired(10), [second?.id, first?.id]);
  assert.deepEqual(store.hints.expired(1), [second?.id]);
});
