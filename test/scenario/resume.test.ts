/** A restarted pod resumes its Discord sessions; no event is lost or handled twice. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Scenario, startScenario, until } from './support.ts';

/** Longer than the interval at which a pod stores its sequence. */
const SEVERAL_NOTES_MS = 600;

describe('a pod is restarted under a stream of events', () => {
  let scenario: Scenario;
  before(async () => {
    scenario = await startScenario({ gatewayPods: 2, env: { DISCORD_SHARDS: '2' } });
  });
  after(() => scenario[Symbol.asyncDispose]());

  for (const how of ['SIGTERM', 'SIGKILL'] as const) {
    test(`after ${how}: each event is handled once`, async () => {
      const { simulator } = scenario;
      const pod = scenario.gateway(1);
      const identifies = simulator.gateway.identifies().length;
      const sent: string[] = [];
      const send = (guildId: string, id: string, workMs: number): void => {
        simulator.events.messageCreate({ guildId, content: `operation ${id} ${workMs}` });
        sent.push(id);
      };
      const guilds = [scenario.guildOf(0), scenario.guildOf(1), scenario.guildOf(1, 1)];
      const stop = new AbortController();
      const stream = (async () => {
        while (!stop.signal.aborted) {
          send(guilds[sent.length % guilds.length] as string, `${how}-${sent.length}`, 0);
          await sleep(10);
        }
      })();
      const handled = (): Set<string> => new Set(scenario.rows().map(({ operation }) => operation));
      const missing = (): string[] => {
        const there = handled();
        return sent.filter((id) => !there.has(id));
      };

      await until('events arrive', () => handled().has(`${how}-20`));
      // Its handler is running when the pod ends.
      send(scenario.guildOf(1, 2), `${how}-at-work`, 2 * SEVERAL_NOTES_MS);
      await sleep(SEVERAL_NOTES_MS);
      await pod.kill(how);
      await sleep(300);
      await pod.start();
      const restartedAt = sent.length;
      await until('events sent after the restart arrive', () =>
        sent.slice(restartedAt).some((id) => handled().has(id)),
      );
      stop.abort();
      await stream;

      assert.equal(simulator.gateway.identifies().length, identifies, 'it identified again instead of resuming');
      await until('every event is written down', () => missing().length === 0).catch(() => {});
      assert.deepEqual(missing(), []);
      const rows = scenario.rows().filter(({ operation }) => operation.startsWith(how));
      assert.equal(rows.length, sent.length, 'some event was handled twice');
    });
  }
});
