// The system clock is set while a pod runs: nothing stops, expires early or is executed twice.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { empty } from '../../../src/gateway/dispatch/responses.ts';
import { hint, startStandIn, stripeHint } from '../../support/hints.ts';
import { openTestStore, temporaryFolder } from '../../support/store.ts';
import { until } from '../../support/wait.ts';

const MINUTE_MS = 60_000;
const STEPS_MS = [-10 * MINUTE_MS, 10 * MINUTE_MS, -86_400_000, 86_400_000];

for (const stepMs of STEPS_MS) {
  test(`a clock step of ${stepMs / MINUTE_MS} min: stored requests are delivered once, and not early`, async (t) => {
    await using pod = await startStandIn();
    const owner = pod.owners[1];
    const [command, event] = [hint({ deferred: 5, lifeMs: 14.5 * MINUTE_MS }), stripeHint()];
    await pod.intake.put(command);
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() + stepMs });
    await pod.intake.put(event);
    await pod.deliverer.expireDue();
    assert.equal(pod.store.hints.count, 2, 'nothing has expired');
    let failures = 2;
    owner.answer = () => ({ ...empty(200), status: failures-- > 0 ? 503 : 200 });
    owner.away = false;
    await until('both are delivered', () => pod.store.hints.count === 0);
    assert.equal(owner.requests.length, 4, 'each failed once and was done once');
    // One bucket of tokens, and not those of ten minutes.
    for (let i = 0; i < 3; i++) await pod.intake.put(hint());
    await until('later ones are delivered', () => pod.store.hints.count === 0);
    assert.deepEqual(
      pod.deliverer.summary().map(({ oldestSeconds }) => oldestSeconds < 60),
      pod.deliverer.summary().map(() => true),
    );
  });

  test(`a clock step of ${stepMs / MINUTE_MS} min: the ledger deletes nothing early`, (t) => {
    using folder = temporaryFolder();
    using store = openTestStore(folder.file('pod'));
    const one = { key: 'interaction:1', guildId: '1', bodyHash: 'hash', retentionMs: 60 * MINUTE_MS };
    store.ledger.recordResponse(one, '{}');
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() + stepMs });
    assert.equal(store.ledger.prune(100), 0);
    assert.notEqual(store.ledger.find(one.key), null);
  });
}
