import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planResizes } from '../../../../testkit/chaos/rollouts.ts';

const plan = { seed: 7, lengthMs: 600_000, pods: 3, most: 5 } as const;

test('changes of the number of pods follow from the seed: to every number, back, and before the last has ended', () => {
  const resizes = planResizes(plan);
  assert.deepEqual(planResizes(plan), resizes);
  assert.notDeepEqual(planResizes({ ...plan, seed: 8 }), resizes);
  const numbers = [3, ...resizes.map(({ pods }) => pods)];
  assert.deepEqual([...new Set(numbers)].toSorted(), [1, 2, 3, 4, 5]);
  assert.ok(numbers.every((number, i) => i === 0 || number !== numbers[i - 1]));
  assert.ok(numbers.some((number, i) => i > 1 && number === numbers[i - 2]));
  const gaps = resizes.slice(1).map(({ atMs }, i) => atMs - (resizes[i]?.atMs ?? 0));
  assert.ok(Math.min(...gaps) < 3_000 && Math.max(...gaps) > 6_000);
});
