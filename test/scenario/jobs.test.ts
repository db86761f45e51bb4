/** Jobs through kills, restarts, and a change of the number of gateway pods. `npm run jobs` is the same for 10,000 of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runJobs } from '../../testkit/jobs/run.ts';

test('jobs are done once, through kills, restarts and a move', async () => {
  const report = await runJobs({ jobs: 600, seconds: 3, everyMs: 500 });
  const { lost, doubled, ghosts } = report;
  assert.deepEqual({ lost, doubled, ghosts }, { lost: [], doubled: [], ghosts: [] });
  assert.ok(report.kills + report.restarts > 3, `${report.kills} kills and ${report.restarts} restarts`);
  assert.ok(report.cancelled > 0);
});
