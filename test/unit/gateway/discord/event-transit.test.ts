// Of src/gateway/discord/{event-transit,event-hash,needed-shards}.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventHash } from '../../../../src/gateway/discord/event-hash.ts';
import { EventTransit, HELD_MS, MAX_HELD_EVENTS } from '../../../../src/gateway/discord/event-transit.ts';
import { neededShards, shardCountOf } from '../../../../src/gateway/discord/needed-shards.ts';
import { ShardSessions } from '../../../../src/gateway/discord/sessions.ts';
import type { EventFate } from '../../../../src/gateway/moving/guild-ownership.ts';
import type { TopologyRecord } from '../../../../src/routing/topology.ts';
import { asMonotonicTime } from '../../../../src/time.ts';
import { MemoryHandled, MemorySessions } from '../../../support/discord-pod.ts';
import { silent } from '../../../support/store.ts';

const GUILD = '1152921504606846976';
const SKEW_MS = 2_000;
const topology: TopologyRecord = { strategy: 'md5', pods: 2, shards: null, epoch: 1 };

/** A pod with one session, and a guild whose fate the test decides. */
class Pod {
  fate: EventFate;
  now = 1_000_000;
  readonly handled = new MemoryHandled();
  readonly results: string[] = [];
  readonly transit: EventTransit;
  readonly #session: string;
  readonly #sessions = new ShardSessions(new MemorySessions());
  #sequence = 0;

  constructor(session: string, fate: EventFate, willOwn: boolean) {
    this.fate = fate;
    this.#session = session;
    this.#sessions.shardCount = 1;
    this.#sessions.start({ shardId: 0, shardCount: 1, sessionId: session, sequence: 0, resumeURL: 'ws://localhost' });
    const fateNow = (): EventFate => this.fate;
    this.transit = new EventTransit({
      ownership: {
        ...{ ordinal: 0, chain: [topology], isMoving: true, changed: new Promise<void>(() => {}) },
        eventsOf: fateNow,
        willOwn: () => willOwn,
      },
      ...{ handled: this.handled, sessions: this.#sessions, skewMs: SKEW_MS, log: silent },
      handle: ({ event }) => this.results.push(`handled ${String(event.data)}`),
      forward: ({ event }) => this.results.push(`forwarded ${String(event.data)}`),
      now: () => asMonotonicTime(this.now),
    });
  }

  /** Receives an event, as the intake of a pod does. */
  receive(data: string, isStray = false): void {
    const sequence = ++this.#sequence;
    const event = { name: 'E', data, guildId: GUILD, shard: 0, sessionId: this.#session, sequence };
    const finished = this.#sessions.begin(0, sequence);
    this.transit.settle(GUILD);
    if (this.fate === 'mine') {
      if (this.transit.isHandled(event)) this.results.push(`skipped ${data}`);
      else {
        this.transit.noteHandled(event);
        this.results.push(`handled ${data}`);
      }
      finished();
    } else this.transit.hold({ event, isStray, finished: () => this.#finish(data, finished) });
  }

  #finish(data: string, finished: () => void): void {
    finished();
    this.results.push(`finished ${data}`);
  }

  /** Takes the guild of another pod, with the record of what that pod has handled. */
  take(from: Pod, recordedMs: number): string | null {
    const refusal = this.transit.refusal([GUILD], { holding: '', recordedMs });
    if (refusal !== null) return refusal;
    this.handled.rows.set(GUILD, from.handled.listOf(GUILD));
    this.transit.imported([GUILD]);
    this.fate = 'arriving';
    return null;
  }
}

test('the new owner handles what the old one has not, in order, and recognizes the rest by its content', () => {
  const from = new Pod('old', 'mine', false);
  const to = new Pod('new', 'awaited', true);
  for (const data of ['a', 'b', 'b']) from.receive(data);
  // Two equal events are two, and a third one is another.
  for (const data of ['a', 'b', 'b', 'b']) to.receive(data);
  from.fate = 'leaving';
  from.receive('b');
  assert.equal(to.take(from, 60_000), null);
  to.receive('c');
  from.fate = 'elsewhere';
  to.fate = 'mine';
  to.transit.settle(GUILD);
  from.transit.settleLeaving();
  assert.deepEqual(to.results, ['finished a', 'finished b', 'finished b', 'handled b', 'handled c']);
  assert.deepEqual(from.results, ['handled a', 'handled b', 'handled b', 'finished b']);
});

test('an event that reaches the new owner long after the old one has handled it is skipped once', () => {
  const from = new Pod('old', 'mine', false);
  const to = new Pod('new', 'awaited', true);
  from.receive('a');
  assert.equal(to.take(from, 60_000), null);
  to.fate = 'mine';
  to.receive('a');
  to.receive('a');
  assert.deepEqual(to.results, ['skipped a', 'handled a']);
});

test('events of a move that is undone are handled in order by the old owner', () => {
  const from = new Pod('old', 'mine', false);
  from.fate = 'leaving';
  from.receive('a');
  from.receive('b');
  assert.deepEqual(from.results, []);
  from.fate = 'mine';
  from.receive('c');
  assert.deepEqual(from.results, ['handled a', 'handled b', 'handled c']);
});

test('an event that only the old owner receives is forwarded when its guild has left', () => {
  const from = new Pod('old', 'leaving', false);
  from.receive('a', true);
  from.fate = 'elsewhere';
  from.transit.settleLeaving();
  assert.deepEqual(from.results, ['forwarded a']);
});

test('a guild is not taken while events are held that its owner may have handled without a record', () => {
  const from = new Pod('old', 'mine', false);
  const to = new Pod('new', 'awaited', true);
  to.receive('a');
  to.now += 5_000;
  to.receive('b');
  assert.match(String(to.take(from, 5_000)), /recorded/);
  assert.deepEqual(to.results, ['finished a'], 'its owner goes on serving, and so handles it');
  from.receive('b');
  assert.equal(to.take(from, 5_000), null);
  to.fate = 'mine';
  to.transit.settle(GUILD);
  assert.deepEqual(to.results, ['finished a', 'finished b']);
});

test('events of a guild that does not come are held for a minute; once its rows are here, until it is decided', () => {
  const to = new Pod('new', 'awaited', true);
  to.receive('a');
  to.now += HELD_MS + 1;
  to.receive('b');
  to.transit.settleAll();
  assert.deepEqual(to.results, ['finished a']);
  to.fate = 'arriving';
  to.now += 10 * HELD_MS;
  to.transit.settleAll();
  assert.equal(to.transit.held, 1);
  to.fate = 'mine';
  to.transit.settle(GUILD);
  assert.deepEqual(to.results, ['finished a', 'handled b']);
});

test('the number of held events of guilds to come is bounded', () => {
  const to = new Pod('new', 'awaited', true);
  for (let i = 0; i <= MAX_HELD_EVENTS; i++) to.receive(String(i));
  assert.ok(to.transit.held <= MAX_HELD_EVENTS);
});

test('a session that is resumed after a crash repeats neither what the old owner handled nor what was recognized', () => {
  const handled = new MemoryHandled();
  handled.record(GUILD, 'old', 7, eventHash('E', 'a'));
  handled.imported([GUILD], [{ guildId: GUILD, sessionId: 'new', sequence: 5 }]);
  const start = (): EventTransit => {
    const sessions = new ShardSessions(new MemorySessions());
    sessions.start({ shardId: 0, shardCount: 1, sessionId: 'new', sequence: 0, resumeURL: 'ws://localhost' });
    return new EventTransit({
      ownership: {
        ...{ ordinal: 0, chain: [topology], isMoving: false, changed: new Promise<void>(() => {}) },
        ...{ eventsOf: () => 'mine', willOwn: () => true },
      },
      ...{ handled, sessions, skewMs: SKEW_MS, log: silent, handle: () => {}, forward: () => {} },
    });
  };
  const event = (sequence: number) => ({
    ...{ name: 'E', data: 'a', guildId: GUILD, shard: 0, sessionId: 'new', sequence },
  });
  const first = start();
  assert.equal(first.isHandled(event(4)), true, 'before the guild came');
  assert.equal(first.isHandled(event(5)), true, 'recognized');
  const again = start();
  assert.equal(again.isHandled(event(5)), true, 'recognized again');
  assert.equal(again.isHandled(event(6)), false, 'another event with the same content');
});

test('equal events have equal hashes, whatever the order of their fields', () => {
  assert.equal(eventHash('E', { a: 1, b: { c: 2, d: [1, 2] } }), eventHash('E', { b: { d: [1, 2], c: 2 }, a: 1 }));
  assert.notEqual(eventHash('E', { a: [1, 2] }), eventHash('E', { a: [2, 1] }));
  assert.notEqual(eventHash('E', { a: 1 }), eventHash('F', { a: 1 }));
  const guild = (online: number) => ({ id: GUILD, presences: Array.from({ length: online }) });
  assert.equal(eventHash('GUILD_CREATE', guild(1)), eventHash('GUILD_CREATE', guild(2)));
});

test('a pod holds the shards of all topologies from the one in force on', () => {
  const sharded = (pods: number, shards: number, epoch: number): TopologyRecord => ({
    ...{ strategy: 'discord-shard', pods, shards, epoch },
  });
  const [three, five] = [sharded(3, 5, 1), sharded(5, 5, 2)];
  const of = (pod: number) => [neededShards([three], pod, 5), neededShards([five], pod, 5)];
  for (const pod of [0, 1, 2, 3, 4]) {
    const [before = [], after = []] = of(pod);
    assert.deepEqual(neededShards([three, five], pod, 5), [...new Set([...before, ...after])].sort(), `pod ${pod}`);
  }
  assert.deepEqual(neededShards([three], 4, 5), [], 'a pod beyond the number');
  assert.deepEqual(neededShards([topology], 1, 2), [0, 1], 'under md5, all');
  assert.deepEqual(neededShards([three, sharded(3, 6, 2)], 1, 6), [0, 1, 2, 3, 4, 5], 'under another number, any');
  assert.equal(shardCountOf([three, sharded(3, 6, 2)], 4), 6);
  assert.equal(shardCountOf([topology], null), null);
});
