/** Every pod is restarted by SIGTERM, one after another, under load. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { measureRolling } from '../../testkit/chaos/measures.ts';

test('rolling restart under load: no request fails, nothing is lost or executed twice', async () => {
  const { criteria, report } = await measureRolling({
    seed: 20_262,
    seconds: 10,
    httpPods: 2,
    gatewayPods: 3,
    guilds: 30,
    routing: 'discord-shard',
    rate: 40,
    // Delays by other work on the machine are not the restart's fault: with Discord's 3 s they would count.
    discordWaitsMs: 20_000,
    // Pods do not abandon a response that Discord would still accept: a stand-in without CPU for a second has time too.
    env: { INTERACTION_BUDGET_MS: '2900', STAND_IN_RESERVE_MS: '2000' },
  });
  const unmet = criteria.filter(({ met }) => !met).map(({ what, seen }) => `${what}: ${seen}`);
  assert.deepEqual(unmet, [], `databases and logs: ${report.directory}`);
  assert.ok(report.verdict.fates.acknowledged > 200, `only ${report.verdict.fates.acknowledged} were acknowledged`);
});
