// Jobs in a gateway pod: from a request to their end, on the admin port and in its metrics.
// Of src/gateway/jobs/{start-jobs,admin,metrics}.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startGatewayPod } from '../../support/gateway-pod.ts';
import { NOTES } from '../../support/store.ts';
import { until } from '../../support/wait.ts';

const GUILD = '613425648685547541';

test('a request schedules a job; the pod runs it, shows those that failed, and runs them again', async () => {
  let broken = true;
  const done: string[] = [];
  await using pod = await startGatewayPod({
    bot: {
      tables: ['notes'],
      migrations: [NOTES],
      jobs: {
        write: {
          attempts: 1,
          run: (text: string, context) => {
            if (text === 'breaks' && broken) throw new Error('broken');
            done.push(`${context.guildId} ${text}`);
          },
        },
      },
      async fetch(request, context) {
        context.schedule('write', await request.text(), { inMs: 1 });
        return new Response(null, { status: 204 });
      },
    },
  });
  for (const body of ['works', 'breaks'])
    assert.equal((await pod.ask('POST', `/api/guilds/${GUILD}/jobs`, { body })).status, 204);
  const { adminRoutes, adminActions } = pod.service;
  type Summary = { waiting: number; setAside: number; setAsideJobs: { id: string; guild: string; reason: string }[] };
  const summary = (): Summary => adminRoutes['/jobs']?.(new URLSearchParams()) as Summary;
  await until('one job is done and one is set aside', () => done.length === 1 && summary().setAside === 1);
  assert.deepEqual(done, [`${GUILD} works`]);
  const [failed] = summary().setAsideJobs;
  assert.deepEqual([failed?.guild, failed?.reason], [GUILD, 'broken']);
  const state = JSON.parse((await pod.ask('GET', '/_guildway/state')).text) as { jobs: { setAside: number } };
  assert.equal(state.jobs.setAside, 1);

  broken = false;
  assert.deepEqual(adminActions['/jobs/run']?.({ id: failed?.id }), { running: 1 });
  await until('it is done', () => done.length === 2);
  await until('no job is left', () => summary().waiting === 0 && summary().setAside === 0);
});
