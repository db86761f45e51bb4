/** All gateway pods are down. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../support.ts';
import { sharedScenario } from './shared.ts';

test('all gateway pods down: every client gets an error in time, and HTTP pods stay up and say why they are not ready', async () => {
  const scenario = await sharedScenario();
  const http = scenario.http(0);
  for (const pod of scenario.cluster.gatewayPods) await pod.kill();
  const guilds = [scenario.guildOf(0), scenario.guildOf(1)];

  const interactions = await Promise.all(guilds.map((guildId, i) => scenario.operate(guildId, `down-${i}`)));
  for (const result of interactions) {
    assert.equal(result.outcome, 'answered', result.problem ?? '');
    assert.equal((result.response as { data?: { flags?: number } }).data?.flags, 64, 'only the user sees it');
  }
  const [get, write] = await Promise.all([
    fetch(`${scenario.cluster.url}/api/guilds/${guilds[0]}/operations`),
    scenario.write(guilds[0] as string, 'down-write'),
  ]);
  assert.equal(get.status, 503);
  assert.ok(Number(get.headers.get('retry-after')) > 0);
  assert.equal(write.status, 503);

  assert.equal((await fetch(`${http.adminUrl}/healthz`)).status, 200);
  const ready = await until('it is not ready', async () => {
    const response = await fetch(`${http.adminUrl}/readyz`);
    const body = (await response.json()) as { reasons: string[] };
    return response.status === 503 && body;
  });
  assert.match(ready.reasons.join(' '), /gateway/);

  await Promise.all(scenario.cluster.gatewayPods.map((pod) => pod.start()));
  await until('it is ready again', async () => (await fetch(`${http.adminUrl}/readyz`)).status === 200);
  const back = await scenario.operate(guilds[0] as string, 'back');
  assert.equal(back.outcome, 'answered');
  assert.deepEqual(scenario.rowsOf('down-0'), []);
  assert.deepEqual(scenario.rowsOf('down-write'), []);
});
