import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderStatus } from '../../../src/cli/status.ts';

const THREE = { strategy: 'md5', pods: 3, shards: null, epoch: 1 } as const;

test('a pod that does not serve or does not answer is listed, with the reason below', () => {
  const text = renderStatus({
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
  });
  assert.deepEqual(text.split('\n'), [
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
