import { globSync } from 'node:fs';

const TESTS = new URL('../', import.meta.url);

/**
 * Runs the tests of many files in this process: a process for each file takes twice the CPU. A file alone runs as any other:
 * `npx node --test test/unit/routing/topology.test.ts`.
 * @param patterns of files below `test/`; package.json leaves the same ones out
 */
export async function importTests(...patterns: readonly string[]): Promise<void> {
  for (const pattern of patterns) {
    for (const file of globSync(`${pattern}.test.ts`, { cwd: TESTS }).sort()) await import(new URL(file, TESTS).href);
  }
}
