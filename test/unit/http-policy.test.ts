import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { BotManifest } from '../../src/bot/types.ts';
import { deferralOf, deferred, type Interaction } from '../../src/http/endpoints/deferral.ts';
import { Breaker } from '../../src/http/outbound/breaker.ts';
import { RetryBudget } from '../../src/http/outbound/retry-budget.ts';
import { asMonotonicTime } from '../../src/time.ts';

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

test('a long quiet time does not pay for a storm: what is not spent is kept up to a bound', () => {
  const budget = new RetryBudget(20);
  for (let i = 0; i < 100_000; i++) budget.earn();
  let retries = 0;
  while (budget.spend()) retries++;
  assert.ok(retries >= 10 && retries <= 100, `${retries} retries at once`);
});

const manifest = {
  name: 'test',
  routes: [],
  commands: {
    open: { ephemeral: false, deferrable: true, type: 5 as const },
    quiet: { ephemeral: true, deferrable: true, type: 5 as const },
    form: { ephemeral: false, deferrable: false, type: 5 as const },
  },
  components: { page: { ephemeral: false, deferrable: true, type: 6 as const } },
  modals: { reason: { ephemeral: true, deferrable: true, type: 5 as const } },
};
const interaction = (type: number, data: Interaction['data']): Interaction => ({
  id: '1',
  type,
  guild_id: null,
  ...(data ? { data } : {}),
});

test('what may be deferred, and how, is what the bot declared', () => {
  const rule = (type: number, data: Interaction['data']) => deferralOf(interaction(type, data), manifest);
  assert.deepEqual(deferred(rule(2, { name: 'open' }) as never), { type: 5 });
  assert.deepEqual(deferred(rule(2, { name: 'quiet' }) as never), { type: 5, data: { flags: 64 } });
  assert.equal(rule(2, { name: 'form' }), null);
  assert.deepEqual(deferred(rule(3, { custom_id: 'page:2' }) as never), { type: 6 });
  assert.deepEqual(deferred(rule(5, { custom_id: 'reason' }) as never), { type: 5, data: { flags: 64 } });
  assert.equal(rule(4, { name: 'open' }), null, 'autocomplete cannot be deferred');
});

test('what the bot does not know is deferred so that only its user sees the answer', () => {
  const shown = (type: number, data: Interaction['data']) =>
    deferred(deferralOf(interaction(type, data), manifest) as never);
  const onlyToItsUser = { type: 5, data: { flags: 64 } };
  for (const data of [{ name: 'gone' }, { name: 'toString' }, {}, undefined]) {
    assert.deepEqual(shown(2, data), onlyToItsUser);
  }
  assert.deepEqual(shown(5, { custom_id: 'constructor' }), onlyToItsUser);
  assert.deepEqual(shown(3, { custom_id: 'constructor' }), { type: 6 }, 'nothing that shows');
  // A manifest of another version may lack what this one reads.
  const older = { ...manifest, commands: { open: { deferrable: true } } } as unknown as BotManifest;
  assert.deepEqual(deferred(deferralOf(interaction(2, { name: 'open' }), older) as never), { type: 5 });
});
