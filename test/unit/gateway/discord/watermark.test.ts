import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Watermark } from '../../../../src/gateway/discord/watermark.ts';

test('the stored sequence never passes an unfinished handler, and catches up when all have finished', () => {
  // Each event: whether it is handled, and when its handler finishes among all of them.
  const event = fc.record({ handled: fc.boolean(), gap: fc.integer({ min: 1, max: 3 }), at: fc.integer() });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), fc.nat(1_000), fc.nat(60), (events, start, early) => {
      const watermark = new Watermark(start);
      const running = new Map<number, { at: number; finish: () => void }>();
      let last = start;
      const check = (): void => {
        const first = Math.min(...running.keys());
        assert.equal(watermark.handled, running.size === 0 ? last : first - 1);
        assert.equal(watermark.pending >= running.size, true);
      };
      const finishOne = (): void => {
        const [sequence, { finish }] = [...running].sort(([, a], [, b]) => a.at - b.at)[0] as [
          number,
          { finish: () => void },
        ];
        running.delete(sequence);
        finish();
        check();
      };
      for (const [i, { handled, gap, at }] of events.entries()) {
        last += gap;
        if (handled) running.set(last, { at, finish: watermark.begin(last) });
        else watermark.skip(last);
        check();
        if (i % (early + 1) === early && running.size > 0) finishOne();
      }
      while (running.size > 0) finishOne();
      assert.equal(watermark.pending, 0);
      assert.equal(watermark.handled, last);
    }),
    { numRuns: 300 },
  );
});

test('the memory is bounded by the pending events', () => {
  const watermark = new Watermark(0);
  const slow = watermark.begin(1);
  const others = Array.from({ length: 5_000 }, (_, i) => watermark.begin(i + 2));
  for (const finish of others) finish();
  assert.equal(watermark.handled, 0);
  slow();
  assert.equal(watermark.handled, 5_001);
  assert.equal(watermark.pending, 0);
});
