import { globSync } from 'node:fs';
import { after } from 'node:test';

const TESTS = new URL('../', import.meta.url);

/**
 * Runs the tests of many files in this process, because a process for each file takes twice the CPU. To run one file alone:
 * `npx node --test test/unit/routing/topology.test.ts`.
 * @param patterns of files below `test/`; package.json excludes the same ones
 */
export async function importTests(...patterns: readonly string[]): Promise<void> {
  // The timers of a pod do not keep a process alive: with nothing else to wait for, all tests that are left would be cancelled.
  const alive = setInterval(() => {}, 60_000);
  for (const pattern of patterns) {
    for (const file of globSync(`${pattern}.test.ts`, { cwd: TESTS }).sort()) await import(new URL(file, TESTS).href);
  }
  // Only here: hooks that are there before run as soon as the tests imported so far have ended.
  after(() => clearInterval(alive));
}
