// A pod's own statements over plain HTTP are marked, so that its caller can tell them from the bot's responses.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { createTopology } from '../../../../src/routing/topology.ts';
import { startGatewayPod } from '../../../support/gateway-pod.ts';
import { until } from '../../../support/wait.ts';

const MARK = 'guildway-refusal';
const topology = createTopology({ strategy: 'md5', pods: 3 });
const guildOf = (ordinal: number): string => {
  for (let id = 1n << 60n; ; id++) if (topology.ownerOf(String(id)) === ordinal) return String(id);
};

test('the 421 of a pod with the wrong ordinal is marked; the 421 of a pod that is not the owner names the owner', async () => {
  await using pod = await startGatewayPod({ pods: 3, bot: { fetch: async () => new Response('fine') } });
  const facts = async (response: Response) => [
    response.status,
    response.headers.get(MARK),
    response.headers.get('guildway-owner'),
    response.headers.get('guildway-epoch'),
  ];
  const misdialled = await pod.plain('GET', `/app/${guildOf(0)}`, { dialled: 2 });
  assert.deepEqual(await facts(misdialled), [421, 'this is gateway-0, not gateway-2', null, null]);
  const misdirected = await pod.plain('GET', `/app/${guildOf(1)}`);
  assert.deepEqual(await facts(misdirected), [421, null, '1', '1']);
  const served = await pod.plain('GET', `/app/${guildOf(0)}`);
  assert.deepEqual(await facts(served), [200, null, null, null]);
});

test("the pod's own 401 is marked; the bot's is not, and a bot cannot mark one", async () => {
  const bot = { fetch: async () => new Response('who are you?', { status: 401, headers: { [MARK]: 'spoofed' } }) };
  await using pod = await startGatewayPod({ bot });
  const stranger = await pod.plain('GET', '/', { secret: 'another secret, long enough' });
  assert.deepEqual([stranger.status, stranger.headers.get(MARK)], [401, 'guildway-auth: missing or wrong']);
  const theirs = await pod.plain('GET', '/');
  assert.deepEqual([theirs.status, theirs.headers.get(MARK)], [401, null]);
});

test('a draining pod refuses a new request with a marked response, and does not process it', async () => {
  let asked = 0;
  const gate = Promise.withResolvers<void>();
  const bot = {
    async fetch() {
      asked++;
      await gate.promise;
      return new Response('the first');
    },
  };
  await using pod = await startGatewayPod({ bot });
  // Opened before the drain: afterwards the pod accepts no connections.
  const late = connect({ port: pod.service.port, host: '127.0.0.1' });
  await once(late, 'connect');
  const first = pod.plain('GET', '/');
  await until('the first runs', () => asked === 1);
  const drained = pod.service.drain();
  late.write('GET / HTTP/1.1\r\nhost: pod\r\n\r\n');
  const answer = await text(late);
  assert.match(answer, /^HTTP\/1\.1 503 /);
  assert.ok(answer.includes(`${MARK}: this pod is shutting down\r\n`), answer);
  gate.resolve();
  assert.equal(await (await first).text(), 'the first');
  await drained;
  assert.equal(asked, 1);
});
