// Gateway pods that ask each other whether they may serve, with real sockets and databases. See also the scenario
// `larger-topology`, with processes.
// Of src/gateway/serve/held.ts, src/gateway/ownership/ask-peer.ts.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { isReady, Place, reasonsOf } from '../../../support/place.ts';
import { until } from '../../../support/wait.ts';

test('a pod that is started again refuses what comes before it has asked the others: its callers ask again', async (t) => {
  await using place = await Place.make();
  const pods = [await place.start(0, 2), await place.start(1, 2)];
  await until('both are ready', () => pods.every(isReady));
  for (const pod of pods) await pod.close();
  // The other pod accepts the connection and sends nothing, like a starved process.
  const silent: Socket[] = [];
  const other = createServer((socket) => silent.push(socket));
  const answers = (): void => {
    for (const socket of silent) socket.destroy();
    other.close();
  };
  t.after(answers);
  other.listen(place.portOf(1), '127.0.0.1');
  await once(other, 'listening');
  const starting = place.start(0, 2);
  await until('the other one is asked', () => silent.length > 0);
  const { status, held, refused } = await place.write(0, 2);
  assert.deepEqual([status, held], [503, undefined]);
  assert.match(refused ?? '', /asking the other gateway pods/);
  answers();
  await starting;
  assert.equal((await place.write(0, 2)).status, 201);
});

test('at a first start, pods name the pod they wait for, and then all serve without an operator', async () => {
  await using place = await Place.make();
  const zero = await place.start(0, 3);
  const one = await place.start(1, 3);
  for (const pod of [zero, one]) {
    assert.equal(isReady(pod), false);
    assert.match(reasonsOf(pod), /waiting for .*gateway-2.*ECONNREFUSED.*TOPOLOGY_CONFIRMED=md5\/3/);
    const { status, text, held } = await pod.write();
    assert.equal(status, 503);
    assert.match(text, /waiting for .*gateway-2/);
    assert.match(held ?? '', /waiting for .*gateway-2/);
  }
  const two = await place.start(2, 3);
  await until('all are ready', () => [zero, one, two].every(isReady));
  for (const pod of [zero, one, two]) assert.equal((await pod.write()).status, 201);

  // Afterwards each pod starts without the others.
  await zero.close();
  await one.close();
  await two.close();
  const alone = await place.start(1, 3);
  assert.equal(isReady(alone), true);
  assert.equal((await alone.write()).status, 201);
});

test('more pods, and the epoch stays as it was: the rows are served where they are, and each pod says what to set', async () => {
  await using place = await Place.make();
  const first = await Promise.all([0, 1, 2].map((ordinal) => place.start(ordinal, 3)));
  await until('all are ready', () => first.every(isReady));
  for (const pod of first) assert.equal((await pod.write()).status, 201);
  for (const pod of first) await pod.close();
  const again = await Promise.all([0, 1, 2].map((ordinal) => place.start(ordinal, 5)));
  const added = await Promise.all([3, 4].map((ordinal) => place.start(ordinal, 5)));
  for (const [ordinal, pod] of again.entries()) {
    assert.match(reasonsOf(pod), /NUM_GATEWAY_PODS=5 .*placed under NUM_GATEWAY_PODS=3 .*set TOPOLOGY_EPOCH=2/);
    assert.equal((await place.write(ordinal, 3)).status, 201);
  }
  for (const pod of added) {
    assert.equal(isReady(pod), false);
    assert.match(reasonsOf(pod), /placed under NUM_GATEWAY_PODS=3 .* larger TOPOLOGY_EPOCH/);
    assert.equal((await pod.write()).status, 503);
  }
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((ordinal) => place.notes(ordinal)),
    [2, 2, 2, 0, 0],
  );
});

test('a pod whose volume was lost serves again when all others have said what they hold', async () => {
  await using place = await Place.make();
  const first = await Promise.all([0, 1, 2].map((ordinal) => place.start(ordinal, 3)));
  await until('all are ready', () => first.every(isReady));
  await first[1]?.close();
  await first[2]?.close();
  place.lose(1);
  const one = await place.start(1, 3);
  await until('only one pod is missing', () => /waiting for gateway-2 to say which guilds moved/.test(reasonsOf(one)));
  assert.equal((await one.write()).status, 503);
  const two = await place.start(2, 3);
  assert.equal(isReady(two), true);
  await until('it is ready', () => isReady(one));
  assert.equal((await one.write()).status, 201);
});

test('the topology of a pod with another secret is ignored', async () => {
  await using place = await Place.make();
  const stranger = await place.start(1, 2, { LINK_SECRET: 'another secret, long enough' });
  const zero = await place.start(0, 2);
  assert.match(reasonsOf(zero), /waiting for gateway-1.*could not prove that it holds LINK_SECRET/);
  assert.match(reasonsOf(stranger), /waiting for gateway-0/);
});

test('an operator can confirm a topology while a pod is missing; the confirmation is valid for that topology only', async () => {
  await using place = await Place.make();
  const confirmed = { TOPOLOGY_CONFIRMED: 'md5/2' };
  const other = await place.start(0, 3, confirmed);
  assert.match(reasonsOf(other), /waiting for gateway-1 and gateway-2/);
  await other.close();
  const zero = await place.start(0, 2, confirmed);
  assert.equal(isReady(zero), true);
  assert.equal((await zero.write()).status, 201);
});

test('a pod stops serving when an absent pod turns out to have rows under a newer topology', async () => {
  await using place = await Place.make();
  const small = await Promise.all([0, 1].map((ordinal) => place.start(ordinal, 2, { TOPOLOGY_EPOCH: '3' })));
  await until('all are ready', () => small.every(isReady));
  for (const pod of small) await pod.close();
  // A volume from when there were three pods.
  const stale = await place.start(2, 3, { TOPOLOGY_EPOCH: '2', TOPOLOGY_CONFIRMED: 'md5/3' });
  assert.equal((await stale.write()).status, 201);
  const back = await place.start(0, 2, { TOPOLOGY_EPOCH: '3' });
  assert.equal(isReady(back), true);
  await until('it is not ready', () => !isReady(stale));
  const { status, text } = await stale.write();
  assert.equal(status, 503);
  assert.match(text, /gone on under a newer topology/);
  assert.equal(place.notes(2), 1);
});
