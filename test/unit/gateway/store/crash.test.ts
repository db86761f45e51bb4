// A process that is killed around a commit: reported commits are complete, and nothing is partial.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Fault } from '../../../../src/gateway/faults.ts';
import { notesOf, openTestStore, temporaryFolder } from '../../../support/store.ts';

const CHILD = fileURLToPath(new URL('../../../support/store-child.ts', import.meta.url));

/** Runs the child until it is killed; returns its output. */
async function run(path: string, options: { fault?: Fault; killAfter?: number }): Promise<string[]> {
  const env = options.fault === undefined ? {} : { GUILDWAY_TEST_FAULT: options.fault };
  const child = spawn(process.execPath, [CHILD, path, '100000'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_ENV: 'test', ...env },
  });
  const lines: string[] = [];
  const ended = once(child, 'close');
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    if (lines.length === options.killAfter) child.kill('SIGKILL');
  });
  const [, signal] = await ended;
  assert.equal(signal, 'SIGKILL');
  return lines;
}

const expected = (count: number) => Array.from({ length: count }, (_, i) => `note ${i}`);

test('killed before the commit: nothing is written', async () => {
  using folder = temporaryFolder();
  const path = folder.file('pod');
  assert.equal((await run(path, { fault: 'kill-before-commit' })).length, 1);
  using store = openTestStore(path);
  assert.deepEqual(notesOf(store), []);
});

test('killed after the commit: everything is written', async () => {
  using folder = temporaryFolder();
  const path = folder.file('pod');
  assert.equal((await run(path, { fault: 'kill-after-commit' })).length, 1);
  using store = openTestStore(path);
  assert.deepEqual(notesOf(store), expected(1));
});

test('killed at any moment: every returned transaction is written, and at most one more', async () => {
  using folder = temporaryFolder();
  for (const killAfter of [3, 40, 300]) {
    const path = folder.file(`pod-${killAfter}`);
    const lines = await run(path, { killAfter });
    const committed = lines.filter((line) => line.startsWith('committed ')).length;
    using store = openTestStore(path);
    const notes = notesOf(store);
    assert.deepEqual(notes, expected(notes.length));
    assert.ok(notes.length === committed || notes.length === committed + 1, `${notes.length} of ${committed}`);
  }
});
