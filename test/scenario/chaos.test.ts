/** The history check over a cluster with injected faults, and proof that it can fail. `npm run chaos` is the long version. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { INTERACTIONS } from '../../testkit/chaos/clients.ts';
import { type ChaosOptions, type ChaosReport, runChaos } from '../../testkit/chaos/run.ts';
import { FAULT_KINDS } from '../../testkit/chaos/schedule.ts';
import type { Pod } from '../../testkit/cluster/index.ts';
import { until } from './support.ts';

const SMALL = { httpPods: 2, gatewayPods: 3, guilds: 30, rate: 40, everyMs: 1_200 } as const;

/** Runs with one of the faults of src/gateway/faults.ts in every gateway pod, and removes its files. */
async function runBroken(fault: string, options: Partial<ChaosOptions>): Promise<ChaosReport> {
  const report = await runChaos({
    ...SMALL,
    httpPods: 1,
    seed: 1,
    seconds: 3,
    kinds: [],
    mix: INTERACTIONS,
    env: { NODE_ENV: 'test', GUILDWAY_TEST_FAULT: fault },
    drainMs: 2_500,
    ...options,
  });
  if (report.directory !== null) await rm(report.directory, { recursive: true, force: true });
  return report;
}

describe('history check', () => {
  test('ten seconds of every kind of fault: nothing is lost or executed twice', async () => {
    const report = await runChaos({ ...SMALL, seed: 20_262, seconds: 10, kinds: FAULT_KINDS });
    const { verdict, failures, directory } = report;
    assert.deepEqual(verdict.findings, [], `databases and logs: ${directory}`);
    assert.deepEqual(failures, [], `databases and logs: ${directory}`);
    assert.equal(report.hintsLeft, 0);
    assert.ok(report.faults >= 5, `only ${report.faults} faults`);
    assert.ok(verdict.fates.acknowledged > 150, `only ${verdict.fates.acknowledged} were acknowledged`);
    assert.ok(report.deferred > 0, 'nothing was deferred');
  });
});

// They mostly wait, so they run concurrently.
describe('the history check can fail', { concurrency: true }, () => {
  test('it reports duplicates without the ledger', async () => {
    const report = await runBroken('no-ledger', { gatewayPods: 2, slowShare: 0.5 });
    assert.ok(report.verdict.problems.doubled > 0, JSON.stringify(report.verdict.problems));
    assert.equal(report.ok, false);
  });

  test('it reports losses without the fsync of a hint', async () => {
    const report = await runBroken('no-hint-fsync', {
      seconds: 4,
      slowShare: 0,
      async script({ gatewayPods }, _network, recorder) {
        const [, owner, standIn] = gatewayPods as readonly [Pod, Pod, Pod];
        await sleep(500);
        await owner.kill();
        await until('something is deferred', () => recorder.count('deferred') > 0);
        // Acknowledgements of the last half second are not on disk.
        await standIn.kill();
        await Promise.all([owner.start(), standIn.start()]);
      },
    });
    assert.ok(report.verdict.problems.lost > 0, JSON.stringify(report.verdict.problems));
    assert.equal(report.ok, false);
  });
});
