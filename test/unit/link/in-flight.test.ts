import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DispatchError } from '../../../src/errors.ts';
import { InFlight, type LinkHandler } from '../../../src/link/in-flight.ts';
import { asMonotonicTime } from '../../../src/time.ts';

/** A handler that gets its error or, with null, its response. */
const handler = (hear: (error: DispatchError | null) => void): LinkHandler => ({
  onResponse: () => hear(null),
  onError: hear,
});
const RESPONSE = { status: 200, headers: [], body: Buffer.alloc(0) };
const LOST = new DispatchError('LINK_LOST', 'unknown', 'gone');

test('each request is taken once by its id, for any number and order', () => {
  // true: a request starts; a number: one in flight ends.
  const step = fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, { weight: 2, arbitrary: fc.nat() });
  const start = fc.constantFrom(0, 2 ** 20 - 50, 2 ** 32 - 300);
  fc.assert(
    fc.property(start, fc.array(step, { minLength: 1_000, maxLength: 3_000 }), (last, steps) => {
      const inFlight = new InFlight({ last }, () => {});
      const waiting: { id: number; done: LinkHandler }[] = [];
      for (const what of steps) {
        if (what === true) {
          const done = handler(() => {});
          const id = inFlight.add(asMonotonicTime(Number.POSITIVE_INFINITY), done);
          assert.notEqual(id, 0);
          assert.ok(!waiting.some((other) => other.id === id), 'an id names one request');
          waiting.push({ id, done });
        } else if (waiting.length > 0) {
          const [{ id, done }] = waiting.splice(what % waiting.length, 1) as [(typeof waiting)[0]];
          assert.equal(inFlight.take(id), done);
          assert.equal(inFlight.take(id), null);
        }
        assert.equal(inFlight.size, waiting.length);
      }
      for (const { id, done } of waiting) assert.equal(inFlight.take(id), done);
      assert.equal(inFlight.size, 0);
      inFlight.failAll(LOST);
    }),
    { numRuns: 20 },
  );
});

test('deadlines fire once, in any order, and a response takes precedence', async () => {
  let now = 0;
  const late: number[] = [];
  const inFlight = new InFlight(
    { last: 0xffff_fffe },
    (id) => late.push(id),
    () => asMonotonicTime(now),
  );
  const outcomes: (string | null)[] = [];
  const first = inFlight.add(
    asMonotonicTime(100),
    handler((error) => outcomes.push(error?.code ?? null)),
  );
  const second = inFlight.add(
    asMonotonicTime(50),
    handler((error) => outcomes.push(error?.code ?? null)),
  );
  const third = inFlight.add(
    asMonotonicTime(1_000_000),
    handler((error) => outcomes.push(error?.code ?? null)),
  );
  // Ids wrap around without ever being 0, which stands for "nothing was sent".
  assert.deepEqual([first, second, third], [0xffff_ffff, 1, 2]);
  inFlight.take(first)?.onResponse(RESPONSE);
  now = 60;
  // The deadline timer does not keep a process alive; something must while the test waits for it.
  const keepAlive = setInterval(() => {}, 1_000);
  while (outcomes.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  clearInterval(keepAlive);
  assert.deepEqual(outcomes, [null, 'DEADLINE_EXCEEDED']);
  assert.deepEqual(late, [second]);
  assert.equal(inFlight.take(first), null);
  assert.equal(inFlight.size, 1);
});

test('a request in flight keeps its id however many others start and end', () => {
  const inFlight = new InFlight({ last: 0 }, () => {});
  const old = inFlight.add(
    asMonotonicTime(60_000),
    handler(() => {}),
  );
  const seen = new Set<number>();
  for (let i = 0; i < 1_000; i++) {
    const id = inFlight.add(
      asMonotonicTime(60_000),
      handler(() => {}),
    );
    assert.ok(id !== old && !seen.has(id));
    seen.add(id);
    assert.notEqual(inFlight.take(id), null);
    assert.equal(inFlight.take(id), null);
  }
  assert.equal(inFlight.size, 1);
  let failed = 0;
  inFlight.add(
    asMonotonicTime(60_000),
    handler(() => failed++),
  );
  inFlight.failAll(new DispatchError('LINK_LOST', 'unknown', ''));
  assert.equal(failed, 1);
  assert.equal(inFlight.size, 0);
});

test('when the connection ends, every waiting request gets one error, even beyond the initial number of slots', () => {
  const inFlight = new InFlight({ last: 2 ** 20 - 50 }, () => {});
  const heard: number[] = [];
  for (let i = 0; i < 5_000; i++) {
    const onError = (error: DispatchError | null): void => {
      assert.equal(error, LOST);
      heard.push(i);
    };
    inFlight.add(asMonotonicTime(Number.POSITIVE_INFINITY), handler(onError));
  }
  inFlight.failAll(LOST);
  inFlight.failAll(LOST);
  assert.equal(heard.length, 5_000);
  assert.equal(new Set(heard).size, 5_000);
  assert.equal(inFlight.size, 0);
});

test('a deadline ends only its own request, and the client may retry immediately', (t) => {
  t.mock.timers.enable({ apis: ['setInterval', 'setImmediate'] });
  let now = 0;
  const cancelled: number[] = [];
  const inFlight = new InFlight(
    { last: 0 },
    (id) => cancelled.push(id),
    () => asMonotonicTime(now),
  );
  const codes: (string | null)[] = [];
  const tooEarly = handler(() => codes.push('too early'));
  const askAgain = handler((error) => {
    codes.push(error?.code ?? null);
    for (let i = 0; i < 1_000; i++) inFlight.add(asMonotonicTime(1_000), tooEarly);
  });
  const first = inFlight.add(asMonotonicTime(100), askAgain);
  const second = inFlight.add(
    asMonotonicTime(200),
    handler((error) => codes.push(error?.code ?? null)),
  );
  now = 99;
  t.mock.timers.tick(20);
  assert.deepEqual(codes, []);
  now = 150;
  t.mock.timers.tick(20);
  assert.deepEqual(codes, ['DEADLINE_EXCEEDED']);
  assert.deepEqual(cancelled, [first]);
  assert.equal(inFlight.take(first), null);
  assert.equal(inFlight.size, 1_001);
  assert.notEqual(inFlight.take(second), null);
});

test('a deadline fires at most 20 ms late', (t) => {
  t.mock.timers.enable({ apis: ['setInterval', 'setImmediate'] });
  let now = 0;
  const inFlight = new InFlight(
    { last: 0 },
    () => {},
    () => asMonotonicTime(now),
  );
  let outcome: string | undefined;
  const note = (error: DispatchError | null): void => {
    outcome = error?.code;
  };
  inFlight.add(asMonotonicTime(100), handler(note));
  now = 99;
  t.mock.timers.tick(20);
  assert.equal(outcome, undefined);
  now = 100;
  t.mock.timers.tick(20);
  assert.equal(outcome, 'DEADLINE_EXCEEDED');
});
