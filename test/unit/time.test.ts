import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  after,
  before,
  clocksNow,
  elapsed,
  inMs,
  monotonicNow,
  nearestNow,
  remaining,
  steadyNow,
  wallNow,
} from '../../src/time.ts';
import { temporaryFolder } from '../support/store.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const time = JSON.stringify(join(root, 'src/time.ts'));

/** Code that compiles. */
const RIGHT = [
  'wait(10)',
  'wait(setting * 2)',
  'wait(remaining(monotonicNow()))',
  'until(inMs(10))',
  'until(after(monotonicNow(), 10))',
  'read(after(wallNow(), 10))',
];

/** Code that must not compile. */
const WRONG = [
  'until(10_000)',
  'until(setting)',
  'until(timeoutMs)',
  'until(monotonicNow() + 10)',
  'until(wallNow())',
  'until(after(wallNow(), 10))',
  'wait(monotonicNow())',
  'wait(wallNow())',
  'read(monotonicNow())',
  'read(10_000)',
  'remaining(timeoutMs)',
  'remaining(wallNow())',
  'elapsed(timeoutMs)',
  'after(timeoutMs, 10)',
  'after(monotonicNow(), monotonicNow())',
  'inMs(monotonicNow())',
];

test('durations and moments of different clocks are not interchangeable', async () => {
  using folder = temporaryFolder();
  const file = folder.file('snippet.ts');
  const head = [
    `import { after, type Duration, elapsed, inMs, type MonotonicTime, monotonicNow, remaining, type WallTime, wallNow } from ${time};`,
    'declare function wait(ms: Duration): void; declare function until(at: MonotonicTime): void; declare function read(at: WallTime): void;',
    'declare const setting: number; declare const timeoutMs: Duration; elapsed(monotonicNow());',
  ];
  writeFileSync(file, [...head, ...RIGHT, ...WRONG].join('\n'));
  const options = ['--ignoreConfig', '--noEmit', '--strict', '--skipLibCheck', '--allowImportingTsExtensions'];
  const modules = [
    '--target',
    'esnext',
    '--module',
    'nodenext',
    '--types',
    'node',
    '--typeRoots',
    join(root, 'node_modules/@types'),
  ];
  const { stdout } = await promisify(execFile)(join(root, 'node_modules/.bin/tsc'), [
    ...options,
    ...modules,
    '--pretty',
    'false',
    file,
  ]).catch((error: { stdout: string }) => error);
  const refused = new Set(
    [...stdout.matchAll(/snippet\.ts\((\d+),\d+\): error TS2345/g)].map((match) => Number(match[1])),
  );
  const first = head.length + RIGHT.length + 1;
  assert.deepEqual(
    [...refused],
    WRONG.map((_, i) => first + i),
    stdout,
  );
});

test('only src/time.ts reads clocks, so that every moment is typed', () => {
  const readers = globSync('src/**/*.ts', { cwd: root }).filter((file) =>
    /\bperformance\.(?:now|timeOrigin)|\bDate\.now\b|\bhrtime\b/.test(readFileSync(join(root, file), 'utf8')),
  );
  assert.deepEqual(readers, ['src/time.ts']);
});

test('moments are computed on their own clock', () => {
  const now = monotonicNow();
  assert.equal(after(now, 5) - now, 5);
  assert.equal(now - before(now, 5), 5);
  assert.ok(elapsed(before(now, 1_000)) >= 1_000);
  assert.ok(remaining(after(now, -1)) < 0, 'what has passed is negative');
  assert.ok(remaining(inMs(60_000)) > 59_000);
  assert.ok(Number.isInteger(wallNow()) && Number.isInteger(steadyNow()));
});

test('a step of the system clock does not affect the steady clock', (t) => {
  const earlier = steadyNow();
  t.mock.timers.enable({ apis: ['Date'], now: earlier - 600_000 });
  assert.ok(wallNow() < earlier - 500_000);
  const later = steadyNow();
  assert.ok(later >= earlier && later < earlier + 60_000);
});

test('the clocks of a process agree until the system clock is set; either may be right', (t) => {
  const start = wallNow();
  assert.equal(clocksNow().length, 1);
  t.mock.timers.enable({ apis: ['Date'], now: start + 600_000 });
  const [wall, steady] = clocksNow();
  assert.equal(wall, start + 600_000);
  assert.ok(steady !== undefined && steady >= start - 1_000 && steady < start + 60_000);
  assert.equal(nearestNow(after(start, 590_000)), wall);
  assert.ok(nearestNow(after(start, 10_000)) < start + 60_000);
});
