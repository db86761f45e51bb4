/** The clocks of running pods are set: nothing stops, nothing is executed twice. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertDeferred, completion, type Scenario, startScenario } from './support.ts';

const CLOCK = new URL('../support/stepping-clock.mjs', import.meta.url).href;

describe('the clocks of running pods are set', () => {
  let scenario: Scenario;
  before(async () => {
    scenario = await startScenario({ gatewayPods: 2, env: { NODE_OPTIONS: `--import=${CLOCK}` } });
  });
  after(() => scenario[Symbol.asyncDispose]());

  for (const [direction, signal] of [
    ['forward', 'SIGUSR2'],
    ['back', 'SIGPWR'],
  ] as const) {
    test(`${direction}: stored requests are delivered once; interactions and plain HTTP requests are served`, async () => {
      const guildId = scenario.guildOf(1);
      const owner = scenario.gateway(1);
      assert.equal((await scenario.operate(guildId, `before-${direction}`)).outcome, 'answered');
      await owner.kill();
      const kept = await scenario.operate(guildId, `kept-${direction}`);
      assertDeferred(kept);
      for (const pod of [scenario.gateway(0), scenario.http(0)]) process.kill(pod.pid as number, signal);
      await owner.start();
      assert.equal(await completion(kept), `done kept-${direction}`);
      assert.equal((await scenario.operate(guildId, `after-${direction}`)).outcome, 'answered');

      // Longer than the link accepts.
      const body = JSON.stringify({
        operation: `plain-${direction}`,
        steps: 1,
        slowMs: 0,
        padding: 'x'.repeat(400_000),
      });
      const response = await fetch(`${scenario.cluster.url}/api/guilds/${guildId}/operations`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      assert.equal(response.status, 201, await response.text());
      await scenario.hintsDrained();
      for (const id of ['before', 'kept', 'after', 'plain']) {
        assert.deepEqual(scenario.rowsOf(`${id}-${direction}`), ['0@1'], id);
      }
    });
  }
});
