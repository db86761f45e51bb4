import assert from 'node:assert/strict';
import { test } from 'node:test';
import { handbackMs, probeMs, slotWaitMs } from '../../../../src/gateway/discord/identify-slots.ts';
import { asWallTime } from '../../../../src/time.ts';

const INTERVAL_MS = 5_500;
const LIMIT_MS = 5_000;
const START = 1_790_000_000_000;
const STEP_MS = 50;

/** Moments of one cycle at which a pod may identify by its own clock. */
function openMoments(ordinal: number, pods: number): number[] {
  const cycleMs = 2 * INTERVAL_MS * (pods - 1);
  const moments: number[] = [];
  for (let at = START; at < START + cycleMs; at += STEP_MS) {
    const waitMs = slotWaitMs({ ordinal, pods, intervalMs: INTERVAL_MS }, asWallTime(at));
    if (waitMs === 0) moments.push(at);
  }
  return moments;
}

test("every pod but 0 has its slot in each cycle, and slots keep Discord's distance with clocks 2.5 s apart", () => {
  for (let pods = 2; pods <= 8; pods++) {
    const cycleMs = 2 * INTERVAL_MS * (pods - 1);
    const open = Array.from({ length: pods - 1 }, (_, i) => openMoments(i + 1, pods));
    for (const [i, mine] of open.entries()) {
      assert.ok(mine.length * STEP_MS >= INTERVAL_MS / 2 - STEP_MS, `pod ${i + 1} of ${pods}`);
      for (const theirs of open.slice(i + 1)) {
        const distances = mine.flatMap((a) => theirs.map((b) => Math.abs(a - b)));
        const closest = Math.min(...distances.map((distance) => Math.min(distance, cycleMs - distance)));
        assert.ok(closest - 2_500 >= LIMIT_MS, `${closest} ms between two of ${pods} pods`);
      }
    }
  }
});

test('a pod outside its slot learns the time until its next slot', () => {
  for (const [ordinal, pods] of [
    [1, 2],
    [1, 3],
    [2, 3],
    [6, 7],
  ] as const) {
    const slots = { ordinal, pods, intervalMs: INTERVAL_MS };
    for (let at = START; at < START + 200_000; at += 777) {
      const waitMs = slotWaitMs(slots, asWallTime(at));
      assert.ok(waitMs >= 0 && waitMs <= 2 * INTERVAL_MS * (pods - 1));
      assert.equal(slotWaitMs(slots, asWallTime(at + waitMs)), 0);
      if (waitMs > 1) assert.ok(slotWaitMs(slots, asWallTime(at + waitMs - 1)) > 0);
    }
  }
});

test("after an identify without pod 0, pod 0 waits for Discord's limit before the next", () => {
  const longestProbeMs = 2 * probeMs({ intervalMs: INTERVAL_MS });
  assert.ok(handbackMs({ intervalMs: INTERVAL_MS }) - longestProbeMs >= LIMIT_MS);
  assert.ok(longestProbeMs < INTERVAL_MS / 2, 'an answer of pod 0 arrives while the slot lasts');
});
