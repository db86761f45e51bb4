/** Pods that disagree about ownership, and two processes that act as the same pod. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { getGatewayPodForGuild } from '../../src/public-routing.ts';
import { Pod } from '../../testkit/cluster/index.ts';
import { findFreePorts } from '../../testkit/cluster/ports.ts';
import { type Scenario, startScenario, until } from './support.ts';

/** A guild with these owners, for these numbers of pods. */
function guildWith(scenario: Scenario, owners: Readonly<Record<number, number>>): string {
  const guildId = scenario.simulator.guilds.ids.find((id) =>
    Object.entries(owners).every(([pods, owner]) => getGatewayPodForGuild(id, Number(pods)) === owner),
  );
  assert.ok(guildId !== undefined, `no guild is owned by ${JSON.stringify(owners)}`);
  return guildId;
}

/** Whether every row is at its owner under the gateway pods' own number of pods. */
function assertPlacedFor(scenario: Scenario, pods: number): void {
  for (const row of scenario.rows()) assert.equal(row.pod, getGatewayPodForGuild(row.guildId, pods), row.operation);
}

/** Restarts the HTTP pod with this number of gateway pods. */
async function restartHttp(scenario: Scenario, thinks: number): Promise<void> {
  scenario.http(0).env.NUM_GATEWAY_PODS = String(thinks);
  await scenario.http(0).restart();
}

/** Starts the HTTP pod with a different number of pods than the gateway pods, and sends operations for many guilds. */
async function assertNoWrongWrite(scenario: Scenario, httpThinks: number): Promise<void> {
  const gatewaysThink = scenario.cluster.gatewayPods.length;
  const http = scenario.http(0);
  await restartHttp(scenario, httpThinks);

  const guilds = scenario.simulator.guilds.ids.slice(0, 30);
  const results = await Promise.all(
    guilds.map(async (guildId, i) => ({
      guildId,
      interaction: await scenario.operate(guildId, `d-${httpThinks}-${i}`),
      write: await scenario.write(guildId, `w-${httpThinks}-${i}`),
    })),
  );
  assertPlacedFor(scenario, gatewaysThink);
  for (const { guildId, interaction, write } of results) {
    assert.ok(interaction.outcome === 'answered' || interaction.outcome === 'deferred', interaction.problem ?? '');
    const owner = getGatewayPodForGuild(guildId, gatewaysThink);
    // One redirect is followed, even to a pod that the HTTP pod did not know; operations are executed at the owner.
    if (write.status === 201) assert.equal(write.headers.get('guildway-pod'), String(owner));
    else assert.ok(write.status === 421 || write.status >= 500, `status ${write.status}`);
  }
  const log = await readFile(http.logFile, 'utf8');
  const names = (pods: number): RegExp => new RegExp(`pods\\W{1,4}${pods}|md5/${pods}`);
  const named = log.split('\n').some((line) => [gatewaysThink, httpThinks].every((pods) => names(pods).test(line)));
  assert.ok(named, 'no line of the log names both topologies');
}

describe('three pods that disagree about the topology', () => {
  let scenario: Scenario;
  before(async () => {
    scenario = await startScenario({ guilds: 300 });
  });
  after(() => scenario[Symbol.asyncDispose]());

  for (const httpThinks of [2, 4]) {
    test(`HTTP pods think ${httpThinks} pods, gateway pods 3: no write at a wrong pod`, async () => {
      await assertNoWrongWrite(scenario, httpThinks);
    });
  }

  test('a second process on the same volume refuses to start, and names the first', async () => {
    await restartHttp(scenario, 3);
    const first = scenario.gateway(1);
    const port = await findFreePorts(2);
    const second = new Pod({
      name: 'gateway-1',
      ordinal: 1,
      port,
      adminPort: port + 1,
      logFile: `${first.logFile}.${randomUUID()}`,
      env: first.env,
    });
    second.spawn();
    const { code } = await second.exited;
    assert.notEqual(code, 0);
    await until('the log says why', async () => (await second.logTail()).includes(`process ${first.pid}`));
    const result = await scenario.operate(scenario.guildOf(1), 'undisturbed');
    assert.equal(result.outcome, 'answered');
    assert.deepEqual(scenario.rowsOf('undisturbed'), ['0@1']);
  });

  test('redirects end in time after a bounded number of hops, and nothing is written', async () => {
    // gateway-0 believes in two pods, gateway-1 in five; for this guild each names the other. They serve only because an operator has
    // confirmed both topologies, and because they cannot reach each other to learn that these differ.
    const guildId = guildWith(scenario, { 3: 0, 2: 1, 5: 0 });
    for (const pod of scenario.cluster.gatewayPods)
      await scenario.network.set(pod.ordinal as number, 'refuse', ['gateway']);
    for (const [ordinal, pods] of [
      [0, 2],
      [1, 5],
    ] as const) {
      const pod = scenario.gateway(ordinal);
      await pod.stop();
      pod.env.NUM_GATEWAY_PODS = String(pods);
      pod.env.TOPOLOGY_CONFIRMED = `md5/${pods}`;
      // Its rows are placed under the old number.
      pod.env.DATABASE_PATH = `${scenario.cluster.databasePath(ordinal)}.other`;
      pod.spawn();
      // It may serve, but has no Discord session: pod 0, which grants the slots, is also unreachable.
      await until(`${pod.name} serves`, async () => {
        const { reasons } = await pod.admin<{ reasons?: string[] }>('/readyz').catch(() => ({ reasons: ['starting'] }));
        return reasons?.every((reason) => reason.startsWith('Discord'));
      });
    }
    const interaction = await scenario.operate(guildId, 'loop');
    assert.ok(interaction.outcome === 'answered' || interaction.outcome === 'deferred', interaction.problem ?? '');
    const write = await scenario.write(guildId, 'loop-write');
    assert.ok(write.status === 421 || write.status >= 500, `status ${write.status}`);
    assert.deepEqual(scenario.rowsOf('loop'), []);
  });
});
