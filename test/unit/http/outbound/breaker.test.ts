import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Breaker } from '../../../../src/http/outbound/breaker.ts';
import { asMonotonicTime } from '../../../../src/time.ts';

test('a breaker opens after so many failures in a row, probes after a pause, and closes when the probe succeeds', () => {
  let now = 0;
  const breaker = new Breaker({ failures: 3, openMs: 1_000, now: () => asMonotonicTime(now) });
  const fail = () => {
    assert.ok(breaker.tryPass());
    breaker.failed();
  };
  fail();
  fail();
  breaker.tryPass();
  breaker.succeeded();
  fail();
  fail();
  assert.equal(breaker.state, 'closed', 'a success in between starts the count again');
  fail();
  assert.equal(breaker.state, 'open');
  assert.ok(!breaker.tryPass());
  now = 1_000;
  assert.equal(breaker.state, 'half-open');
  assert.ok(breaker.tryPass(), 'one probe');
  assert.ok(!breaker.tryPass(), 'and only one');
  breaker.failed();
  assert.equal(breaker.state, 'open');
  now = 2_000;
  assert.ok(breaker.tryPass());
  breaker.undecided();
  assert.ok(breaker.tryPass(), 'a probe whose caller went away is not the last');
  breaker.succeeded();
  assert.equal(breaker.state, 'closed');
});
