import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DispatchError } from '../../../../src/errors.ts';
import { AttemptState } from '../../../../src/http/outbound/attempt-state.ts';
import type { ResponseHandler } from '../../../../src/http/outbound/dispatcher.ts';

function newAttempt(): { attempt: AttemptState; errors: DispatchError[] } {
  const errors: DispatchError[] = [];
  const handler: Partial<ResponseHandler> = { onError: (error) => void errors.push(error) };
  return { attempt: new AttemptState(0, handler as ResponseHandler), errors };
}

test('an attempt counts as not sent while it waits for a connection, and as unknown from then on', () => {
  const { attempt, errors } = newAttempt();
  assert.equal(attempt.cancelled().outcome, 'not-sent');
  attempt.fail(new Error('refused'));
  const sent = newAttempt();
  sent.attempt.enter('sent');
  assert.equal(sent.attempt.cancelled().outcome, 'unknown');
  sent.attempt.fail(new Error('reset'));
  assert.deepEqual(
    [...errors, ...sent.errors].map(({ outcome }) => outcome),
    ['not-sent', 'unknown'],
  );
});

test('an attempt ends once: a failure after its end is ignored', () => {
  const { attempt, errors } = newAttempt();
  assert.ok(attempt.end());
  assert.ok(!attempt.end());
  attempt.fail(new Error('late'));
  assert.deepEqual(errors, []);
});
