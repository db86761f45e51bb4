/** Full disks: an error, never an acknowledgement of data that is not on disk. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { mountsUnavailable } from '../../testkit/faults/privileges.ts';
import { SmallDisk } from '../../testkit/faults/small-disk.ts';
import { assertDeferred, completion, type Scenario, startScenario } from './support.ts';

describe('a full disk', { skip: mountsUnavailable() }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'guildway-disk-'));
  const disks: SmallDisk[] = [];
  let scenario: Scenario;

  before(async () => {
    for (const ordinal of [0, 1, 2]) disks.push(new SmallDisk(join(directory, `gateway-${ordinal}`), 16 << 20));
    scenario = await startScenario({ directory, env: { HINT_MIN_FREE_BYTES: '1048576' } });
  });
  after(async () => {
    await scenario?.[Symbol.asyncDispose]();
    for (const disk of disks) disk[Symbol.dispose]();
    rmSync(directory, { recursive: true, force: true });
  });
  const disk = (ordinal: number): SmallDisk => disks[ordinal] as SmallDisk;

  test('of the owner: writes of its guilds fail without an acknowledgement, and succeed when there is space again', async () => {
    const guildId = scenario.guildOf(1);
    disk(1).fill();
    const write = await scenario.write(guildId, 'no-space', { 'idempotency-key': 'no-space' });
    assert.ok(write.status >= 500, `status ${write.status}`);
    assert.deepEqual(scenario.rowsOf('no-space'), []);
    const other = await scenario.operate(scenario.guildOf(0), 'other-disk');
    assert.equal(other.outcome, 'answered');

    disk(1).free();
    const again = await scenario.write(guildId, 'no-space', { 'idempotency-key': 'no-space' });
    assert.equal(again.status, 201);
    assert.deepEqual(scenario.rowsOf('no-space'), ['0@1']);
  });

  test('of the first stand-in: the next one stores the request', async () => {
    disk(2).fill();
    await scenario.gateway(1).kill();
    const result = await scenario.operate(scenario.guildOf(1), 'next-keeps');
    assertDeferred(result);
    disk(2).free();
    await scenario.gateway(1).start();
    assert.equal(await completion(result), 'done next-keeps');
    assert.deepEqual(scenario.rowsOf('next-keeps'), ['0@1']);
  });

  test('of every stand-in: the client learns that nothing was done', async () => {
    disk(0).fill();
    disk(2).fill();
    await scenario.gateway(1).kill();
    const result = await scenario.operate(scenario.guildOf(1), 'no-stand-in');
    assert.equal(result.outcome, 'answered', result.problem ?? '');
    assert.equal(result.responseType, 4);
    const data = (result.response as { data?: { flags?: number } }).data;
    assert.equal(data?.flags, 64, 'only the user sees it');
    disk(0).free();
    disk(2).free();
    await scenario.gateway(1).start();
    await scenario.hintsDrained();
    assert.deepEqual(scenario.rowsOf('no-stand-in'), []);
  });
});
