import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endsEarly } from '../../../src/moving/finish.ts';
import { applyWrites, initialState } from '../../../src/moving/state.ts';

test('a pod that is to go ends early until it has given all of its guilds away; other pods never do', () => {
  const five = { strategy: 'md5', pods: 5, shards: null, epoch: 1 } as const;
  const three = { ...five, pods: 3, epoch: 2 } as const;
  const leaving = initialState(4, five);
  const staying = initialState(2, five);
  assert.deepEqual([leaving, staying].map(endsEarly), [false, false]);
  for (const state of [leaving, staying]) applyWrites(state, [{ kind: 'chain', chain: [five, three] }]);
  assert.deepEqual([leaving, staying].map(endsEarly), [true, false]);
  applyWrites(leaving, [{ kind: 'done', pod: 4, epoch: 2 }]);
  assert.equal(endsEarly(leaving), false);
});
