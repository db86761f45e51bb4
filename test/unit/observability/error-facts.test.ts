import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorFacts } from '../../../src/observability/error-facts.ts';

test('only the kind of an error and of its cause is logged', () => {
  const cause = Object.assign(new Error('refused'), {
    code: 50_027,
    requestBody: 'a message',
    url: '/webhooks/1/token',
  });
  const error = Object.assign(new Error('failed', { cause }), { status: 401, requestBody: 'a message' });
  const facts = errorFacts(error);
  assert.deepEqual(Object.keys(facts), ['name', 'message', 'stack', 'status', 'cause']);
  assert.deepEqual(Object.keys(facts.cause as object), ['name', 'message', 'stack', 'code']);
  assert.deepEqual(errorFacts('no error'), { message: 'no error' });
});
