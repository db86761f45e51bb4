import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProgressBar } from '../../../src/cli/progress.ts';
import { renderStatus } from '../../../src/cli/status.ts';
import { asMonotonicTime } from '../../../src/time.ts';

const THREE = { strategy: 'md5', pods: 3, shards: null, epoch: 1 } as const;

test('a pod that does not serve or does not answer is listed, with the reason below', () => {
  const pods = {
    answers: {
      2: {
        pod: 2,
        name: 'gateway-2',
        ready: false,
        reasons: ['waiting for gateway-1'],
        topology: { ...THREE, epoch: 2 },
      },
      0: {
        ...{ pod: 0, name: 'gateway-0', ready: true, reasons: [], topology: THREE },
        database: { database: 1_500_000, wal: 600_000 },
        hints: { count: 12, bytes: 3_000, setAside: 1 },
        discord: {
          guilds: 345,
          shards: [
            { shard: 0, state: 'ready' },
            { shard: 1, state: 'resuming' },
          ],
        },
      },
    },
    missing: [{ pod: 1, reason: 'connection refused' }],
  };
  assert.deepEqual(renderStatus(pods, new ProgressBar()).split('\n'), [
    'Topology  NUM_GATEWAY_PODS=3 ROUTING=md5 TOPOLOGY_EPOCH=1 and NUM_GATEWAY_PODS=3 ROUTING=md5 TOPOLOGY_EPOCH=2',
    '',
    'POD        STATE      GUILDS  SESSIONS  STORED REQUESTS  SET ASIDE  DATABASE',
    'gateway-0  ready      345     1/2       12               1          2.1 MB',
    'gateway-1  no answer  -       -         -                -          -',
    'gateway-2  not ready  -       -         -                -          -',
    '',
    '  gateway-1: connection refused',
    '  gateway-2: waiting for gateway-1',
  ]);
});

test('while guilds move, the status has a bar with the time left, and why guilds do not move', () => {
  let nowMs = 0;
  const bar = new ProgressBar(() => asMonotonicTime(nowMs));
  const look = (arrived: number, toMove: number, done: readonly number[]): string[] => {
    const moving = {
      topologies: [THREE, { ...THREE, pods: 5, epoch: 2 }],
      ...{ arrived, toMove, leaving: 10, problem: null },
      done: done.map((pod) => ({ pod, epochs: [2] })),
      troubles: [{ why: 'the schemas differ', guilds: 3, example: '197038439483310086' }],
    };
    const state = { pod: 0, name: 'gateway-0', ready: true, reasons: [], topology: THREE, moving };
    return renderStatus({ answers: { 0: state }, missing: [] }, bar).split('\n');
  };
  const [, heading, first] = look(0, 190, []);
  assert.match(heading ?? '', /^Moving +NUM_GATEWAY_PODS=3 .* -> NUM_GATEWAY_PODS=5 .*TOPOLOGY_EPOCH=2$/);
  assert.match(first ?? '', /░{30} +0 % {2}0 of 200 guilds, 0 of 5 pods are done$/);
  nowMs = 2_000;
  const lines = look(100, 90, [1, 2]);
  assert.match(lines[2] ?? '', /█{15}░{15} +50 % {2}100 of 200 guilds, 2 of 5 pods are done, about 2 s left$/);
  assert.equal(lines.at(-1), '  gateway-0: 3 guilds do not move yet, such as 197038439483310086: the schemas differ');
  assert.match(look(200, -10, [0, 1, 2, 3])[2] ?? '', /99 %/, 'a pod that is not done may know of more guilds');
});
