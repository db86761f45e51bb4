/** Names of gateway pods that do not resolve, or only slowly. The processes query a real name server. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { FaultDns } from '../../testkit/faults/dns.ts';
import { mountsUnavailable } from '../../testkit/faults/privileges.ts';
import { assertDeferred, completion, type Scenario, startScenario } from './support.ts';

/** The delay of the slow name. */
const SLOW_MS = 4_000;
const HERE = { address: '127.0.0.1' } as const;
const nameOf = (ordinal: number): string => `gateway-${ordinal}.guildway.test`;

describe('the name of an owner', { skip: mountsUnavailable() }, () => {
  let dns: FaultDns;
  let scenario: Scenario;
  const directory = mkdtempSync(join(tmpdir(), 'guildway-names-'));

  before(async () => {
    dns = await FaultDns.start(Object.fromEntries([0, 1].map((ordinal) => [nameOf(ordinal), HERE])));
    scenario = await startScenario({
      gatewayPods: 2,
      launcher: dns.launcher(directory),
      // Ports differ from pod to pod, and so do names.
      network: async (ports) => {
        const template = `http://gateway-{ordinal}.guildway.test:{${ports[0]}+ordinal}`;
        return { http: template, gateway: template };
      },
    });
  });
  after(async () => {
    await scenario?.[Symbol.asyncDispose]();
    await dns?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  test('does not resolve: requests for its guilds are deferred and served by no other pod; other owners are unaffected', async () => {
    await scenario.gateway(1).kill();
    dns.answers.set(nameOf(1), 'NXDOMAIN');
    await scenario.gateway(1).start();
    const result = await scenario.operate(scenario.guildOf(1), 'no-name');
    assertDeferred(result);
    const other = await scenario.operate(scenario.guildOf(0), 'has-name');
    assert.equal(other.outcome, 'answered');
    assert.deepEqual(scenario.rowsOf('no-name'), []);

    dns.answers.set(nameOf(1), HERE);
    assert.equal(await completion(result), 'done no-name');
    assert.deepEqual(scenario.rowsOf('no-name'), ['0@1']);
  });

  test('resolves slowly: requests for other owners are not delayed', async () => {
    // Closed connections make every pod resolve again.
    await scenario.gateway(1).kill();
    dns.answers.set(nameOf(1), { ...HERE, delayMs: SLOW_MS });
    await scenario.gateway(1).start();
    const slow = Array.from({ length: 20 }, (_, i) => scenario.operate(scenario.guildOf(1), `slow-name-${i}`));
    for (let i = 0; i < 40; i++) {
      const result = await scenario.operate(scenario.guildOf(0, i % 2), `quick-name-${i}`);
      // A request that waits for the slow name would be deferred: resolving takes longer than an owner's time limit.
      assert.equal(result.outcome, 'answered');
    }
    for (const result of await Promise.all(slow)) assertDeferred(result);
    dns.answers.set(nameOf(1), HERE);
    for (const [i, result] of (await Promise.all(slow)).entries()) {
      assert.equal(await completion(result), `done slow-name-${i}`);
    }
    await scenario.hintsDrained();
    for (let i = 0; i < slow.length; i++) assert.deepEqual(scenario.rowsOf(`slow-name-${i}`), ['0@1']);
  });
});
