/** A running owner that some pods cannot reach. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { assertDeferred, completion, type Scenario } from '../support.ts';
import { sharedScenario } from './shared.ts';

describe('HTTP pods are cut off from an owner', () => {
  let scenario: Scenario;
  before(async () => {
    scenario = await sharedScenario();
  });

  for (const mode of ['refuse', 'reset', 'blackhole'] as const) {
    test(`${mode}: a stand-in that reaches the owner delivers; no other pod writes`, async () => {
      const guildId = scenario.guildOf(1);
      assert.equal((await scenario.operate(guildId, `before-${mode}`)).outcome, 'answered');
      await scenario.network.set(1, mode, ['http']);
      const result = await scenario.operate(guildId, `cut-${mode}`);
      assertDeferred(result);
      assert.equal(await completion(result), `done cut-${mode}`);
      assert.deepEqual(scenario.rowsOf(`cut-${mode}`), ['0@1']);
      await scenario.network.heal();
      await scenario.hintsDrained();
      assert.deepEqual(scenario.rowsOf(`cut-${mode}`), ['0@1']);
    });
  }

  test('cut off from every pod: the hint is stored, and delivered when the network is back', async () => {
    const guildId = scenario.guildOf(1);
    await scenario.network.set(1, 'refuse');
    const result = await scenario.operate(guildId, 'kept');
    assertDeferred(result);
    const { outcome } = await result.settled(700);
    assert.equal(outcome, 'pending');
    assert.deepEqual(scenario.rowsOf('kept'), []);
    await scenario.network.heal();
    assert.equal(await completion(result), 'done kept');
    assert.deepEqual(scenario.rowsOf('kept'), ['0@1']);
  });

  test("an address that now belongs to another pod: refused, and nothing is written to that pod's data", async () => {
    const guildId = scenario.guildOf(1);
    const { port } = scenario.gateway(2);
    for (const source of ['http', 'gateway'] as const) scenario.network.to(1, source).retarget(port);
    const result = await scenario.operate(guildId, 'moved-address');
    assertDeferred(result);
    const write = await scenario.write(guildId, 'moved-write');
    assert.equal(write.status, 503);
    assert.deepEqual(scenario.rowsOf('moved-address'), []);
    for (const source of ['http', 'gateway'] as const)
      scenario.network.to(1, source).retarget(scenario.gateway(1).port);
    assert.equal(await completion(result), 'done moved-address');
    assert.deepEqual(scenario.rowsOf('moved-address'), ['0@1']);
    assert.deepEqual(scenario.rowsOf('moved-write'), []);
  });
});
