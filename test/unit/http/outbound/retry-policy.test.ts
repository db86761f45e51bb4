import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blamesPod, mayTryAgain } from '../../../../src/http/outbound/retry-policy.ts';

const failed = { code: 'LINK_UNAVAILABLE', sentNow: false, sentEver: false, repeatable: false } as const;

test('waiting for a pod costs no budget if the request was certainly not sent', () => {
  assert.equal(mayTryAgain(failed), 'free');
  assert.equal(mayTryAgain({ ...failed, repeatable: true }), 'free');
  assert.equal(mayTryAgain({ ...failed, code: 'LINK_REFUSED' }), 'free');
  assert.equal(mayTryAgain({ ...failed, code: 'LINK_SATURATED' }), 'free');
});

test('a request that may have arrived is retried only if that is safe, and costs budget', () => {
  const lost = { ...failed, code: 'LINK_LOST', sentNow: true, sentEver: true } as const;
  assert.equal(mayTryAgain(lost), 'no');
  assert.equal(mayTryAgain({ ...lost, repeatable: true }), 'costs');
  // It may have arrived, whatever later attempts say.
  assert.equal(mayTryAgain({ ...failed, sentEver: true }), 'no');
  assert.equal(mayTryAgain({ ...failed, sentEver: true, repeatable: true }), 'free');
});

test('failures that a retry would repeat are final', () => {
  for (const code of [
    ...(['CANCELLED', 'DEADLINE_EXCEEDED', 'TOPOLOGY_MISMATCH', 'BODY_TOO_LARGE', 'REQUEST_INVALID'] as const),
  ]) {
    assert.equal(mayTryAgain({ ...failed, code, repeatable: true }), 'no', code);
  }
});

test("a pod's breaker counts its own failures, not those of clients", () => {
  assert.ok(blamesPod('LINK_LOST') && blamesPod('DEADLINE_EXCEEDED') && blamesPod('LINK_UNAVAILABLE'));
  assert.ok(!blamesPod('CANCELLED') && !blamesPod('BODY_TOO_LARGE') && !blamesPod('LINK_SATURATED'));
  assert.ok(!blamesPod('REQUEST_INVALID'), 'what cannot be sent as it stands says nothing about the pod');
});
