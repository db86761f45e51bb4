/** Case 28: a pod that is restarted resumes its sessions with Discord; no event is missed and none is handled twice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startScenario, until } from './support.ts';

for (const how of ['SIGTERM', 'SIGKILL'] as const) {
  test(`a pod ended by ${how} under a stream of events`, async () => {
    await using scenario = await startScenario({ gatewayPods: 2, env: { DISCORD_SHARDS: '2' } });
    const { simulator } = scenario;
    const pod = scenario.gateway(1);
    const before = simulator.gateway.identifies().length;
    const sent: string[] = [];
    const stop = new AbortController();
    const guilds = [scenario.guildOf(0), scenario.guildOf(1), scenario.guildOf(1, 1)];
    const stream = (async () => {
      while (!stop.signal.aborted) {
        const id = `event-${sent.length}`;
        simulator.events.messageCreate({
          guildId: guilds[sent.length % guilds.length] as string,
          content: `operation ${id}`,
        });
        sent.push(id);
        await sleep(3);
      }
    })();

    await until('events arrive', () => scenario.rows().length > 50);
    // Its handler is at work when the pod ends, and how far events were handled has been noted several times since it came.
    simulator.events.messageCreate({ guildId: scenario.guildOf(1, 2), content: 'operation at-work 1200' });
    await sleep(600);
    await pod.kill(how);
    await sleep(300);
    await pod.start();
    const mark = sent.length;
    await until('events sent after the restart arrive', () =>
      scenario.rows().some(({ operation, pod }) => pod === 1 && Number(operation.slice(6)) > mark),
    );
    stop.abort();
    await stream;
    assert.equal(simulator.gateway.identifies().length, before, 'it identified anew instead of resuming');
    const missing = (): string[] => {
      const there = new Set(scenario.rows().map(({ operation }) => operation));
      return ['at-work', ...sent].filter((id) => !there.has(id));
    };
    await until('every event is written down', () => missing().length === 0, 5_000).catch(() => {});
    assert.deepEqual(missing(), []);
    assert.equal(scenario.rows().length, sent.length + 1, 'some event was handled twice');
  });
}
