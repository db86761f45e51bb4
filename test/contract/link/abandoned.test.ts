import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FRAME } from '../../../src/link/frames.ts';
import { authenticated, empty, frame, requestPayload, startPod } from '../../support/link.ts';

test('requests of a disconnected client are aborted before the memory of their responses is released', async () => {
  const began = Promise.withResolvers<AbortSignal>();
  const letGo = Promise.withResolvers<boolean>();
  await using pod = await startPod(
    async (request, context) => {
      const waiting = await (request.target === '/waits' ? began.resolve(context.signal) : began.promise);
      if (!waiting)
        return new Promise((resolve) =>
          context.signal.addEventListener('abort', () => resolve({ status: 500, headers: [], body: empty })),
        );
      // More than the sockets between the two can buffer: it is dropped with the connection.
      const body = Buffer.alloc(8 * 1024 * 1024);
      return { status: 200, headers: [], body, sent: () => letGo.resolve(waiting.aborted) };
    },
    { heartbeatMs: 50 },
  );
  const socket = await authenticated(pod);
  socket.pause();
  socket.write(frame(FRAME.request, 1, requestPayload('GET\0/waits')));
  socket.write(frame(FRAME.request, 2, requestPayload('GET\0/large')));
  assert.equal(await letGo.promise, true, 'a request without a client must not use the released memory');
  socket.destroy();
});
