import assert from 'node:assert/strict';
import { test } from 'node:test';
import { measureLatency, percentile } from '../../../../testkit/chaos/latency.ts';
import type { Entry } from '../../../../testkit/chaos/recorder.ts';

const ownerOf = (guildId: string): number => Number(guildId);
const entry = (over: Partial<Entry>): Entry => ({
  id: 'a',
  guildId: '0',
  via: 'interaction',
  steps: 1,
  slow: false,
  sentAt: 0,
  answeredAt: 10,
  settledAt: 10,
  knowledge: 'acknowledged',
  wasDeferred: false,
  unanswered: false,
  failedRequests: [],
  note: null,
  ...over,
});
/** A hundred responses of owner 0 after 10 ms each, at a given time. */
const calm = (at: number): Entry[] =>
  Array.from({ length: 100 }, () => entry({ sentAt: at, answeredAt: at + 10, settledAt: at + 10 }));

test('a percentile is the value below which a share of the values are', () => {
  const values = Array.from({ length: 100 }, (_, i) => 100 - i);
  assert.equal(percentile(values, 0.5), 51);
  assert.equal(percentile(values, 0.99), 100);
  assert.equal(percentile([7], 0.99), 7);
  assert.ok(Number.isNaN(percentile([], 0.5)));
});

test('requests count as undisturbed unless a fault affected their owner or all pods', () => {
  const slow = (over: Partial<Entry>) => entry({ sentAt: 1_000, answeredAt: 1_900, ...over });
  const during = { from: 900, until: 2_000 };
  const p99 = (entries: Entry[], pod: { type: 'http' | 'gateway'; index: number } | null) =>
    measureLatency(entries, [{ pod, ...during }], ownerOf).undisturbedP99Ms;
  // The fault affects owner 1: slow responses of owner 0 count, those of owner 1 do not.
  const one = { type: 'gateway', index: 1 } as const;
  assert.equal(p99([...calm(50_000), slow({}), slow({})], one), 900);
  assert.equal(p99([...calm(50_000), slow({ guildId: '1' }), slow({ guildId: '1' })], one), 10);
  // A fault of an HTTP pod or of Discord: no requests count.
  assert.equal(p99([...calm(50_000), slow({}), slow({})], { type: 'http', index: 0 }), 10);
  assert.equal(p99([...calm(50_000), slow({}), slow({})], null), 10);
  // Deliberately slow ones never count, and too few are inconclusive.
  assert.equal(p99([...calm(50_000), slow({ slow: true }), slow({ slow: true })], one), 10);
  assert.equal(p99([slow({})], one), null);
});

test('the longest waits are measured to first responses and to completions', () => {
  const { longestAnswerMs, longestCompletionMs } = measureLatency(
    [
      entry({ answeredAt: 2_000, settledAt: 9_000, wasDeferred: true, knowledge: 'completed' }),
      entry({ answeredAt: 5, settledAt: 99_000, wasDeferred: true, knowledge: 'deferred' }),
      entry({ via: 'api', answeredAt: 30_000 }),
    ],
    [],
    ownerOf,
  );
  assert.equal(longestAnswerMs, 2_000);
  assert.equal(longestCompletionMs, 9_000);
});
