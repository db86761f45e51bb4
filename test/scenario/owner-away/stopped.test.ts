/** An owner is paused for ten seconds, and then continues. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertDeferred, completion } from '../support.ts';
import { sharedScenario } from './shared.ts';

test('a stopped owner: clients get responses in time, and late originals duplicate nothing', async () => {
  const scenario = await sharedScenario();
  const guildId = scenario.guildOf(1);
  const owner = scenario.gateway(1);
  // Connects, so that the requests below are in flight when the owner stops.
  assert.equal((await scenario.operate(guildId, 'warm')).outcome, 'answered');

  owner.pause();
  const resumeAt = performance.now() + 10_000;
  const ids = Array.from({ length: 8 }, (_, i) => `stopped-${i}`);
  const results = await Promise.all(ids.map((id) => scenario.operate(guildId, id)));
  for (const result of results) assertDeferred(result);
  // Guilds of other owners are unaffected.
  const other = await scenario.operate(scenario.guildOf(2), 'other');
  assert.equal(other.outcome, 'answered');

  await sleep(resumeAt - performance.now());
  owner.resume();
  for (const [i, result] of results.entries()) assert.equal(await completion(result), `done ${ids[i]}`);
  await scenario.hintsDrained();
  for (const id of ids) assert.deepEqual(scenario.rowsOf(id), ['0@1'], id);
});
