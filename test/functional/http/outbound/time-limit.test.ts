// One rule for both transports over HTTP: an attempt without a response in time is DEADLINE_EXCEEDED.
import assert from 'node:assert/strict';
import { lookup } from 'node:dns';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import type { DispatchError } from '../../../../src/errors.ts';
import type { ResponseHandler } from '../../../../src/http/outbound/dispatcher.ts';
import { ForwardedRequest } from '../../../../src/http/outbound/forwarded-request.ts';
import { PlainTransport } from '../../../../src/http/outbound/plain-transport.ts';
import { UpgradeTransport } from '../../../../src/http/outbound/upgrade-transport.ts';
import { inMs } from '../../../../src/time.ts';

test('an attempt without a response in time is late, whether it asks for a websocket or not', async (t) => {
  const silent = createServer((socket) => socket.resume().on('error', () => {}));
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const options = { ordinal: 0, url, secret: null, connectTimeoutMs: 60_000, lookup, onConnection() {} };
  const plain = new PlainTransport(options);
  t.after(async () => {
    await plain.close();
    silent.close();
  });
  for (const [transport, dispatcher] of [
    ['plain', plain],
    ['upgrade', new UpgradeTransport(options)],
  ] as const) {
    const request = new ForwardedRequest(0, {
      ...{ method: 'GET', target: '/', headers: [], body: Buffer.alloc(0), upload: null, transport, whole: false },
      ...{ deadlineAt: inMs(300), attemptsUntil: inMs(300), anyPod: false, repeatable: 'always' },
    });
    const error = await new Promise<DispatchError>((onError) => {
      dispatcher.dispatch(request, { onError } as Partial<ResponseHandler> as ResponseHandler);
    });
    assert.deepEqual([error.code, error.outcome], ['DEADLINE_EXCEEDED', 'unknown'], transport);
  }
});
