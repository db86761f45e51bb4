import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { UnreadResponses } from '../../../../src/http/inbound/unread-responses.ts';
import { asMonotonicTime } from '../../../../src/time.ts';

/** A connection, reduced to its unread bytes. */
function connection(unreadBytes: number) {
  const state = { destroyed: false, bytesWritten: unreadBytes, writableLength: unreadBytes };
  const socket = Object.assign(state, {
    destroy: () => {
      state.destroyed = true;
    },
  });
  return { state, socket: socket as unknown as Socket };
}

test('a large response may use the whole limit; a client that reads nothing for 5 s gives way, a slow one does not', () => {
  let now = 0;
  const unread = new UnreadResponses({ maxBytes: 1_000, now: () => asMonotonicTime(now) });
  const [stalled, slow] = [connection(400), connection(500)];
  unread.wrote(stalled.socket);
  unread.wrote(slow.socket);
  assert.deepEqual([unread.hasRoom(100), unread.hasRoom(101)], [true, false], 'to the byte');

  now = 4_999;
  slow.state.writableLength = 499;
  assert.equal(unread.hasRoom(200), false);
  assert.equal(stalled.state.destroyed, false, 'not before its time');

  now = 5_000;
  assert.equal(unread.hasRoom(200), true, 'the stalled one has given way');
  assert.deepEqual([stalled.state.destroyed, slow.state.destroyed], [true, false]);
  assert.equal(unread.hasRoom(502), false, 'what the slow one has not read counts');
  unread.close();
});

test('a response that was read immediately is not tracked', () => {
  const unread = new UnreadResponses({ maxBytes: 1_000 });
  const quick = connection(0);
  unread.wrote(quick.socket);
  quick.state.writableLength = 1_000;
  assert.equal(unread.hasRoom(1_000), true);
  unread.close();
});
