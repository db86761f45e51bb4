import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { ThrottledLog } from '../../../src/observability/throttled-log.ts';
import { asMonotonicTime } from '../../../src/time.ts';

function logging(level: string) {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level, base: null, timestamp: false }, { write: (line: string) => lines.push(JSON.parse(line)) });
  return { log, lines };
}

test('a message is logged once a second with the number of omitted ones; other messages are not delayed', () => {
  const { log, lines } = logging('info');
  let now = 0;
  const seldom = new ThrottledLog(log, () => asMonotonicTime(now));
  for (let i = 0; i < 5; i++) seldom.warn({ i }, 'away');
  seldom.info({}, 'deferred');
  now = 1_000;
  seldom.warn({ i: 5 }, 'away');
  now = 2_500;
  seldom.warn({ i: 6 }, 'away');
  assert.deepEqual(lines, [
    { level: 40, i: 0, msg: 'away' },
    { level: 30, msg: 'deferred' },
    { level: 40, i: 5, leftOut: 4, msg: 'away' },
    { level: 40, i: 6, msg: 'away' },
  ]);
});

test('at level debug nothing is omitted', () => {
  const { log, lines } = logging('debug');
  const seldom = new ThrottledLog(log, () => asMonotonicTime(0));
  for (let i = 0; i < 3; i++) seldom.warn({ i }, 'away');
  assert.equal(lines.length, 3);
});
