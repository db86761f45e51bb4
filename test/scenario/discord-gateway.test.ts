/** Discord ends gateway connections in every possible way. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Scenario, startScenario, until } from './support.ts';

describe('Discord ends the gateway connections', () => {
  let scenario: Scenario;
  let sent = 0;

  before(async () => {
    scenario = await startScenario({ gatewayPods: 1, env: { DISCORD_SHARDS: '2' } });
  });
  after(() => scenario[Symbol.asyncDispose]());

  const identifies = (): number => scenario.simulator.gateway.identifies().length;
  const resumes = (): number => scenario.simulator.gateway.sessions().reduce((sum, one) => sum + one.resumes, 0);
  const connected = (): boolean =>
    scenario.simulator.gateway.sessions({ where: (session) => session.connected }).length === 2;
  /** Sends a message to a guild of each shard. */
  function send(): string[] {
    return [0n, 1n].map((shard) => {
      const guildId = scenario.simulator.guilds.ids.find((id) => (BigInt(id) >> 22n) % 2n === shard) as string;
      const id = `event-${sent++}`;
      scenario.simulator.events.messageCreate({ guildId, content: `operation ${id}` });
      return id;
    });
  }
  async function assertHandledOnce(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      await until(`${id} is handled`, () => scenario.rowsOf(id).length > 0);
      assert.deepEqual(scenario.rowsOf(id), ['0@0'], id);
    }
  }

  const gateway = () => scenario.simulator.gateway;
  for (const [how, act] of [
    ['dropped sockets', () => gateway().dropSocket()],
    ['op 7', () => gateway().reconnect()],
    ['op 9, resumable', () => gateway().invalidate({}, { resumable: true })],
    ['close code 4000', () => gateway().close({}, 4000)],
    ['close code 4009', () => gateway().close({}, 4009)],
  ] as const) {
    test(`${how}: the session resumes, and missed events are handled once`, async () => {
      await until('connected', connected);
      const before = { identifies: identifies(), resumes: resumes() };
      assert.equal(act(), 2);
      const ids = send();
      await until('both sessions are resumed', () => resumes() >= before.resumes + 2 && connected());
      await assertHandledOnce([...ids, ...send()]);
      assert.equal(identifies(), before.identifies);
    });
  }

  test('a dead resume URL: the session resumes at the general address, and missed events are handled once', async () => {
    await until('connected', connected);
    const before = { identifies: identifies(), resumes: resumes() };
    gateway().resumeUrlDead = true;
    gateway().dropSocket();
    const ids = send();
    await until('both sessions are resumed', () => resumes() >= before.resumes + 2 && connected(), 20_000);
    gateway().resumeUrlDead = false;
    await assertHandledOnce([...ids, ...send()]);
    assert.equal(identifies(), before.identifies);
  });

  test('op 9, not resumable: the pod identifies again within the limits, and events continue', async () => {
    const before = identifies();
    gateway().invalidate({}, { resumable: false });
    await until('identified again', () => identifies() === before + 2 && connected(), 20_000);
    await assertHandledOnce(send());
    assert.equal(scenario.simulator.violations.count('identify_bucket'), 0);
  });

  test('a fatal close code: the pod is not ready, and the message names the setting to correct', async () => {
    gateway().close({ shard: 0 }, 4014);
    const { reasons } = await until('it is not ready', async () => {
      const state = await scenario.gateway(0).admin<{ ready: boolean; reasons: string[] }>('/readyz');
      return !state.ready && state.reasons.some((reason) => reason.includes('4014')) && state;
    });
    assert.match(reasons.join(' '), /intents/);
    // Requests are still served: the rows are here.
    const result = await scenario.operate(scenario.guildOf(0), 'still-served');
    assert.equal(result.outcome, 'answered');
  });
});
