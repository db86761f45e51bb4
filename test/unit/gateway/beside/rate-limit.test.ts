import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RateLimit } from '../../../../src/gateway/beside/rate-limit.ts';
import { asMonotonicTime } from '../../../../src/time.ts';

test('so many requests a second pass, and the others in order a second later', async () => {
  let now = 0;
  const sleeps: number[] = [];
  const limit = new RateLimit(
    3,
    () => asMonotonicTime(now),
    async (ms) => {
      sleeps.push(ms);
      now += ms;
    },
  );
  const passed: [number, number][] = [];
  await Promise.all(Array.from({ length: 7 }, (_, i) => limit.pass().then(() => passed.push([i, now]))));
  assert.deepEqual(passed, [...[0, 1, 2].map((i) => [i, 0]), ...[3, 4, 5].map((i) => [i, 1_000]), [6, 2_000]]);
  assert.deepEqual(sleeps, [1_000, 1_000]);
  assert.equal(limit.waiting, 0);
});
