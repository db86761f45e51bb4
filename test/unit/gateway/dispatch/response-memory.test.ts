import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ResponseLease, ResponseMemory } from '../../../../src/gateway/dispatch/response-memory.ts';
import { inMs } from '../../../../src/time.ts';

const MB = 1024 * 1024;
const { signal } = new AbortController();
const enter = (memory: ResponseMemory) => memory.enter(inMs(60_000), () => signal);
const isGranted = (entry: ReturnType<typeof enter>): entry is ResponseLease => !(entry instanceof Promise);

test('few handlers run concurrently before response sizes are known; small responses let all run', async () => {
  const memory = new ResponseMemory(16 * MB);
  const entries = Array.from({ length: 10 }, () => enter(memory));
  assert.equal(entries.filter(isGranted).length, 4);
  for (const entry of entries) {
    const lease = await entry;
    lease?.hold(100);
    lease?.end();
  }
  assert.equal(memory.held, 0);
  assert.ok(Array.from({ length: 50 }, () => enter(memory)).every(isGranted));
});

test('held responses are bounded until they are sent; waiting requests run in order', async () => {
  const memory = new ResponseMemory(16 * MB);
  const first = Array.from({ length: 4 }, () => enter(memory) as ResponseLease);
  const order: number[] = [];
  const waiting = Array.from({ length: 3 }, async (_, i) => {
    const lease = await enter(memory);
    order.push(i);
    return lease;
  });
  for (const lease of first) lease.hold(5 * MB);
  assert.ok(memory.held <= 20 * MB);
  first[0]?.end();
  first[0]?.end();
  await Promise.resolve();
  assert.deepEqual(order, [], '15 MB are held, and the next one is expected to have 5');
  for (const lease of first) lease.end();
  for (const lease of await Promise.all(waiting)) lease?.end();
  assert.deepEqual(order, [0, 1, 2]);
  assert.equal(memory.held, 0);
});

test('a response larger than the whole budget runs alone', () => {
  const memory = new ResponseMemory(MB);
  const entry = enter(memory);
  assert.ok(isGranted(entry));
  assert.ok(!isGranted(enter(memory)));
  entry.hold(10 * MB);
  entry.end();
});

test('a request that waits too long for its turn gets an error', async () => {
  const memory = new ResponseMemory(MB);
  const entry = enter(memory);
  assert.equal(await memory.enter(inMs(5), () => signal), null);
  assert.ok(isGranted(entry));
  entry.end();
  assert.ok(isGranted(enter(memory)));
});

test('a disconnected client no longer waits, and later requests move up', async () => {
  const memory = new ResponseMemory(MB);
  const first = enter(memory) as ResponseLease;
  const caller = new AbortController();
  const gone = Array.from({ length: 3 }, () => memory.enter(inMs(60_000), () => caller.signal));
  const last = enter(memory);
  caller.abort();
  assert.deepEqual(await Promise.all(gone), [null, null, null]);
  assert.equal(await memory.enter(inMs(60_000), () => caller.signal), null, 'it was gone before it came');
  first.end();
  const lease = await last;
  lease?.end();
  assert.ok(lease !== null);
  assert.equal(memory.held, 0);
});
