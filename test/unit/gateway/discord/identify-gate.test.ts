import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import {
  IdentifyGate,
  type IdentifyGateOptions,
  type SessionStartLimit,
} from '../../../../src/gateway/discord/identify-gate.ts';
import { IdentifyTurns } from '../../../../src/gateway/discord/identify-turns.ts';
import { asMonotonicTime } from '../../../../src/time.ts';
import { recordingLog } from '../../../support/discord-pod.ts';
import { silent } from '../../../support/store.ts';

/** A manual clock. */
class Clock {
  time = 0;
  readonly #sleepers: { at: number; wake: () => void }[] = [];

  now = () => asMonotonicTime(this.time);

  sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      this.#sleepers.push({ at: this.time + ms, wake: resolve });
      signal?.addEventListener('abort', () => reject(signal.reason));
    });

  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    for (;;) {
      await turn();
      await turn();
      const next = this.#sleepers.sort((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.#sleepers.shift();
      this.time = next.at;
      next.wake();
    }
    this.time = end;
    await turn();
  }
}

function createGate(limit: Partial<SessionStartLimit> = {}) {
  const clock = new Clock();
  const discord = { total: 1_000, remaining: 1_000, reset_after: 3_600_000, max_concurrency: 1, ...limit };
  const state = { asked: 0, away: false };
  const { log, lines } = recordingLog();
  const gate = new IdentifyGate({
    intervalMs: 5_000,
    fetchLimit: async () => {
      state.asked++;
      if (state.away) throw new Error('Discord is away');
      return { ...discord };
    },
    log,
    now: clock.now,
    sleep: clock.sleep,
  });
  const granted: [shard: number, at: number][] = [];
  /** Identifies as soon as allowed. */
  const want = async (shard: number, signal?: AbortSignal): Promise<void> => {
    await gate.acquire(shard, signal);
    granted.push([shard, clock.time]);
  };
  return { clock, discord, state, gate, granted, want, lines };
}

test('one identify per bucket and interval, first come first served, and buckets do not wait for each other', async () => {
  const { clock, granted, want, state } = createGate({ max_concurrency: 2 });
  const all = [0, 2, 1, 4, 3, 0].map((shard) => want(shard));
  await clock.advance(0);
  assert.deepEqual(granted, [
    [0, 0],
    [1, 0],
  ]);
  await clock.advance(4_999);
  assert.equal(granted.length, 2);
  await clock.advance(1);
  assert.deepEqual(granted.slice(2).sort(), [
    [2, 5_000],
    [3, 5_000],
  ]);
  await clock.advance(10_000);
  await Promise.all(all);
  assert.deepEqual(granted.slice(4), [
    [4, 10_000],
    [0, 15_000],
  ]);
  assert.equal(state.asked, 1, 'those that ask at once share one question to Discord');
});

test('a caller that gives up is rejected immediately and takes no slot', async () => {
  const { clock, granted, want } = createGate();
  await want(0);
  const [second, third] = [new AbortController(), new AbortController()];
  const waiters = [want(1, second.signal), want(2, third.signal)];
  const last = want(3);
  await clock.advance(100);
  // The first in the queue and one in the middle: neither waits for its turn to learn it.
  third.abort(new Error('gone'));
  await assert.rejects(waiters[1] as Promise<void>, /gone/);
  second.abort(new Error('gone'));
  await assert.rejects(waiters[0] as Promise<void>, /gone/);
  await clock.advance(4_900);
  await last;
  assert.deepEqual(granted, [
    [0, 0],
    [3, 5_000],
  ]);
});

test("identifies never exceed Discord's daily limit, even though Discord counts late, and continue when it allows more", async () => {
  const { clock, discord, granted, want, lines } = createGate({ remaining: 3, max_concurrency: 16 });
  // The fourth asks Discord again immediately, which still says three: it has not counted them yet.
  const all = Promise.all(Array.from({ length: 6 }, (_, shard) => want(shard)));
  await clock.advance(0);
  discord.remaining = 0;
  await clock.advance(600_000);
  assert.equal(granted.length, 3);
  assert.match(lines.find(({ level }) => level === 'error')?.text ?? '', /no identifies left today/);
  discord.remaining = 1_000;
  await clock.advance(60_000);
  await all;
  assert.equal(granted.length, 6);
});

test("no shard identifies while Discord's limits are unknown", async () => {
  const { state, want, granted } = createGate();
  state.away = true;
  await assert.rejects(want(0), /Discord is away/);
  assert.deepEqual(granted, []);
  state.away = false;
  await want(0);
  assert.equal(granted.length, 1);
});

/** Whether a promise has settled. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  const quiet = promise.catch(() => {});
  for (let i = 0; i < 5; i++) await turn();
  return (await Promise.race([quiet, Promise.resolve(pending)])) !== pending;
}

test('only the latest connection of a shard identifies, and the library learns of a rejection only when its own connection is gone', async () => {
  const stopping = new AbortController();
  const waiting: { shard: number; grant: () => void }[] = [];
  const turns = new IdentifyTurns({
    acquire: (shard, signal) =>
      new Promise((resolve, reject) => {
        waiting.push({ shard, grant: resolve });
        signal.addEventListener('abort', () => reject(signal.reason));
      }),
    stopping: stopping.signal,
    log: silent,
  });
  const closes = [new AbortController(), new AbortController(), new AbortController()] as const;
  const older = turns.wait(7, closes[0].signal);
  const newer = turns.wait(7, closes[1].signal);
  const other = turns.wait(8, closes[2].signal);
  await turn();
  for (const { shard, grant } of waiting) if (shard === 7) grant();
  await newer;
  assert.equal(await isSettled(older), false, 'a newer connection of the shard has identified');
  stopping.abort();
  assert.equal(await isSettled(other), false, 'no shard identifies while the process shuts down');
  for (const close of closes) close.abort(new Error('closed'));
  await assert.rejects(older, /closed/);
  await assert.rejects(other, /closed/);
});

test('a shard whose identify is rejected waits before the next one', async () => {
  let acquired = 0;
  const turns = new IdentifyTurns({
    acquire: async () => void acquired++,
    stopping: new AbortController().signal,
    log: silent,
  });
  const closed = new AbortController();
  await turns.wait(0, closed.signal);
  const second = turns.wait(0, closed.signal);
  assert.equal(await isSettled(second), false);
  assert.equal(acquired, 1);
  turns.succeeded(0);
  await turns.wait(0, closed.signal);
  assert.equal(acquired, 2);
  closed.abort(new Error('closed'));
});

/** A gate with these options and a manual clock. */
function gateWith(options: Partial<IdentifyGateOptions>, limit: Partial<SessionStartLimit> = {}) {
  const clock = new Clock();
  const discord = { total: 1_000, remaining: 1_000, reset_after: 3_600_000, max_concurrency: 1, ...limit };
  const gate = new IdentifyGate({
    ...{ intervalMs: 5_000, fetchLimit: async () => ({ ...discord }), log: silent, now: clock.now, sleep: clock.sleep },
    ...options,
  });
  const granted: number[] = [];
  const want = (shard: number): Promise<void> => gate.acquire(shard).then(() => void granted.push(clock.time));
  return { clock, discord, granted, want };
}

test('a closed gate lets no identify through early, even after Discord could not be reached', async () => {
  let isAway = false;
  const { clock, granted, want } = gateWith({
    closedMs: 6_600,
    fetchLimit: async () => {
      if (isAway) throw new Error('Discord is away');
      return { total: 1_000, remaining: 1, reset_after: 1_000, max_concurrency: 1 };
    },
  });
  void want(0);
  await clock.advance(6_599);
  assert.deepEqual(granted, []);
  await clock.advance(1);
  assert.deepEqual(granted, [6_600]);
  // The next one must ask Discord again.
  isAway = true;
  await clock.advance(60_000);
  const refused = want(0);
  await Promise.all([assert.rejects(refused, /Discord is away/), clock.advance(1_000)]);
  isAway = false;
  void want(0);
  await clock.advance(20_000);
  assert.equal(granted.length, 2);
  assert.equal(granted[1], 66_600 + 6_600, 'counted from when Discord could not be asked');
});

test('a gate with time slots checks its slot after every wait, and a late refusal counts', async () => {
  const asked: number[] = [];
  const { clock, granted, want } = gateWith({
    // Open in the first 1,000 of every 10,000.
    waitMs: () => (clock.time % 10_000 < 1_000 ? 0 : 10_000 - (clock.time % 10_000)),
    confirm: async (shard) => {
      asked.push(shard);
      if (shard === 9) throw new Error('not any more');
      if (asked.length === 1) await clock.sleep(1_500);
    },
  });
  void want(3);
  void want(4);
  await assert.rejects(Promise.all([want(9), clock.advance(60_000)]), /not any more/);
  await clock.advance(60_000);
  assert.deepEqual(granted, [10_000, 20_000], 'the first confirmation took longer than the turn');
  assert.deepEqual(asked, [3, 3, 4, 9]);
});

test('a time slot that passes while Discord is asked is not used', async () => {
  let asked = 0;
  let waitMs = 0;
  const { clock, granted, want } = gateWith({
    reserve: 1,
    waitMs: () => waitMs,
    fetchLimit: async () => {
      if (++asked === 2) waitMs = 1_000;
      return { total: 1_000, remaining: 100, reset_after: 1_000, max_concurrency: 1 };
    },
  });
  void want(0);
  await clock.advance(999);
  assert.deepEqual(granted, []);
  waitMs = 0;
  await clock.advance(1);
  assert.deepEqual(granted, [1_000]);
});

test('a gate with a reserve asks Discord each time, and leaves the last identifies unused', async () => {
  const { clock, discord, granted, want } = gateWith({ reserve: 3 }, { remaining: 5 });
  for (let shard = 0; shard < 3; shard++) void want(shard);
  await clock.advance(12_000);
  assert.equal(granted.length, 2, 'two were left beside the reserve');
  discord.remaining = 1_000;
  await clock.advance(60_000);
  assert.equal(granted.length, 3);
});
