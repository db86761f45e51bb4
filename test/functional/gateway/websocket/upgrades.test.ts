import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { signPlainRequest } from '../../../../src/link/auth.ts';
import { createTopology } from '../../../../src/routing/topology.ts';
import { type GatewayPod, startGatewayPod } from '../../../support/gateway-pod.ts';

const topology = createTopology({ strategy: 'md5', pods: 2 });
const ids = Array.from({ length: 20 }, (_, i) => String(81_384_788_765_712_384n + BigInt(i)));
const OURS = ids.find((id) => topology.ownerOf(id) === 0) ?? '';
const THEIRS = ids.find((id) => topology.ownerOf(id) === 1) ?? '';
const SECRET = 'a secret of the test cluster';

/** Opens a websocket directly at a pod, with this proof. @returns null when it is open, else the refusal */
async function dial(pod: GatewayPod, target: string, proof?: string): Promise<IncomingMessage | null> {
  const headers = proof === undefined ? {} : { 'guildway-auth': proof };
  const socket = new WebSocket(pod.url.replace('http', 'ws') + target, { headers });
  const opened = once(socket, 'open').then(() => null);
  const answer = once(socket, 'unexpected-response').then(([, response]) => response as IncomingMessage);
  try {
    return await Promise.race([opened, answer]);
  } finally {
    opened.catch(() => {});
    answer.catch(() => {});
    socket.on('error', () => {});
    socket.terminate();
  }
}

test("an upgrade is checked like any request: the pod's proof, the dialled ordinal, the guild", async () => {
  await using pod = await startGatewayPod({ bot: { websocket: { upgrade: () => undefined } }, pods: 2 });
  const path = `/app/${OURS}`;
  const proof = (target: string, ordinal = 0, secret = SECRET) => signPlainRequest(secret, ordinal, 'GET', target);
  assert.equal(await dial(pod, path, proof(path)), null);
  assert.equal((await dial(pod, path))?.statusCode, 401);
  assert.equal((await dial(pod, path, proof(path, 0, 'another secret, as long')))?.statusCode, 401);
  assert.equal((await dial(pod, path, proof('/app/1')))?.statusCode, 401, 'a proof is of one target');
  const meantAnother = await dial(pod, path, proof(path, 1));
  assert.equal(meantAnother?.statusCode, 421);
  assert.equal(typeof meantAnother?.headers['guildway-refusal'], 'string');
  const theirs = `/app/${THEIRS}`;
  const misdirected = await dial(pod, theirs, proof(theirs));
  assert.deepEqual([misdirected?.statusCode, misdirected?.headers['guildway-owner']], [421, '1']);
});

test('a bot without websockets answers an upgrade with 404', async () => {
  await using pod = await startGatewayPod({ bot: {} });
  const answer = await dial(pod, `/app/${OURS}`, signPlainRequest(SECRET, 0, 'GET', `/app/${OURS}`));
  assert.equal(answer?.statusCode, 404);
});
