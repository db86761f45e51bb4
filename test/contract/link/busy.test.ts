import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { get, startClient, startPod } from '../../support/link.ts';

test('a response that arrived in time counts, even if the process is too busy to read it before the deadline', async () => {
  const DEADLINE_MS = 300;
  let answers = false;
  await using pod = await startPod(async () => {
    answers = true;
    return { status: 200, headers: [], body: Buffer.from('in time') };
  });
  // Server and client share this process, which is busy from the moment at which the kernel has the response.
  pod.http.on('connection', (socket: Socket) => {
    const write = socket.write.bind(socket) as (data: Buffer) => boolean;
    socket.write = (data: Buffer | string | Uint8Array): boolean => {
      const more = write(data as Buffer);
      const busyUntil = performance.now() + 2 * DEADLINE_MS;
      while (answers && performance.now() < busyUntil);
      return more;
    };
  });
  using client = startClient(pod.url);
  await client.connect();
  const response = await client.request(get('/'), DEADLINE_MS);
  assert.equal(response.body.toString(), 'in time');
});
