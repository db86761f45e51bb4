/** A gateway pod dies at the worst moment. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Fault } from '../../../src/gateway/faults.ts';
import { assertDeferred, completion, restartAfterFault, restartWithFault, type Scenario } from '../support.ts';
import { sharedScenario } from './shared.ts';

describe('a gateway pod is killed', () => {
  let scenario: Scenario;
  before(async () => {
    scenario = await sharedScenario();
  });

  test('the owner, before its transaction commits: the request is applied once, after the restart', async () => {
    const owner = scenario.gateway(1);
    const guildId = scenario.guildOf(1);
    await restartWithFault(owner, 'kill-before-commit');
    const result = await scenario.operate(guildId, 'before-commit');
    assertDeferred(result);
    assert.deepEqual(scenario.rowsOf('before-commit'), []);
    await restartAfterFault(owner);
    assert.equal(await completion(result), 'done before-commit');
    assert.deepEqual(scenario.rowsOf('before-commit'), ['0@1']);
    await scenario.hintsDrained();
  });

  test('the owner, after the commit and before the response leaves: delivered again, one effect', async () => {
    const owner = scenario.gateway(1);
    const guildId = scenario.guildOf(1);
    await restartWithFault(owner, 'kill-after-commit');
    const result = await scenario.operate(guildId, 'after-commit');
    assertDeferred(result);
    assert.deepEqual(scenario.rowsOf('after-commit'), ['0@1']);
    await restartAfterFault(owner);
    assert.equal(await completion(result), 'done after-commit');
    assert.deepEqual(scenario.rowsOf('after-commit'), ['0@1']);
    await scenario.hintsDrained();
  });

  test('the owner, between two transactions of one handler: each is applied once', async () => {
    const owner = scenario.gateway(1);
    await restartWithFault(owner, 'kill-after-commit');
    const result = await scenario.operate(scenario.guildOf(1), 'two-steps', { steps: 2 });
    assertDeferred(result);
    assert.deepEqual(scenario.rowsOf('two-steps'), ['0@1']);
    await restartAfterFault(owner);
    assert.equal(await completion(result), 'done two-steps');
    assert.deepEqual(scenario.rowsOf('two-steps'), ['0@1', '1@1']);
  });

  test('an API write whose owner dies after the commit can be repeated with its Idempotency-Key', async () => {
    const owner = scenario.gateway(1);
    const guildId = scenario.guildOf(1);
    await restartWithFault(owner, 'kill-after-commit');
    const first = await scenario.write(guildId, 'api-write', { 'idempotency-key': 'api-write' });
    assert.ok(first.status === 502 || first.status === 503 || first.status === 504, `status ${first.status}`);
    await restartAfterFault(owner);
    const second = await scenario.write(guildId, 'api-write', { 'idempotency-key': 'api-write' });
    assert.equal(second.status, 201);
    assert.deepEqual(await second.json(), { done: 'api-write' });
    assert.deepEqual(scenario.rowsOf('api-write'), ['0@1']);
  });

  test('the stand-in, once the hint is on disk: the next one stores it too, and it is applied once', async () => {
    await killStandIn('kill-after-hint', 'twice-kept');
  });

  test('the stand-in, before the hint commits: nothing is acknowledged, the next one stores it, and it is applied once', async () => {
    await killStandIn('kill-before-hint-commit', 'kept-once');
  });

  /** Kills the stand-in of an absent owner when it is about to store a hint. */
  async function killStandIn(fault: Fault, operation: string): Promise<void> {
    const owner = scenario.gateway(1);
    const standIn = scenario.gateway(2);
    await restartWithFault(standIn, fault);
    await owner.kill();
    const result = await scenario.operate(scenario.guildOf(1), operation);
    assertDeferred(result);
    await restartAfterFault(standIn);
    await owner.start();
    assert.equal(await completion(result), `done ${operation}`);
    await scenario.hintsDrained();
    assert.deepEqual(scenario.rowsOf(operation), ['0@1']);
  }

  test("the stand-in, after the owner's response and before it removes the hint: delivered again, applied once", async () => {
    const owner = scenario.gateway(1);
    const standIn = scenario.gateway(2);
    await restartWithFault(standIn, 'kill-after-delivery');
    await owner.kill();
    const result = await scenario.operate(scenario.guildOf(1), 'delivered-twice');
    assertDeferred(result);
    await owner.start();
    assert.equal(await completion(result), 'done delivered-twice');
    await restartAfterFault(standIn);
    await scenario.hintsDrained();
    assert.deepEqual(scenario.rowsOf('delivered-twice'), ['0@1']);
  });
});
