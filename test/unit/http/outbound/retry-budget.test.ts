import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RetryBudget } from '../../../../src/http/outbound/retry-budget.ts';

test('retries never exceed their share of live requests by more than the reserve', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 100 }), fc.array(fc.boolean(), { maxLength: 2_000 }), (percent, steps) => {
      const budget = new RetryBudget(percent);
      let requests = 0;
      let retries = 0;
      for (const isRequest of steps) {
        if (isRequest) {
          requests++;
          budget.earn();
        } else if (budget.spend()) retries++;
      }
      assert.ok(retries <= (requests * percent) / 100 + (percent === 0 ? 0 : 10) + 1e-9);
    }),
  );
});

test('a long quiet period does not pay for a storm: the saved budget is bounded', () => {
  const budget = new RetryBudget(20);
  for (let i = 0; i < 100_000; i++) budget.earn();
  let retries = 0;
  while (budget.spend()) retries++;
  assert.ok(retries >= 10 && retries <= 100, `${retries} retries at once`);
});
