// The column "read by" of docs/configuration.md, against the code that reads.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { VARIABLES } from '../../../src/config/variables.ts';

const src = fileURLToPath(new URL('../../../src/', import.meta.url));

/** Keys that `loadConfig` replaces, and the keys that the code reads instead. */
const DERIVED: Readonly<Record<string, string>> = { podName: 'name' };
/**
 * Read by `loadConfig` itself, for the ordinal of a gateway pod, and by `main.ts` for the bot beside a gateway pod, not as
 * `config.<key>`.
 */
const ELSEWHERE: ReadonlySet<string> = new Set(['podOrdinal', 'localDiscordPort', 'botWebPort']);

/** The readers of `config.<key>`: one of the services, or both through shared code. */
function readersOf(key: string): string[] {
  const reads = new RegExp(`\\bconfig\\.${DERIVED[key] ?? key}\\b`);
  const files = globSync('{main.ts,http/**/*.ts,gateway/**/*.ts,observability/**/*.ts}', { cwd: src });
  const readers = new Set<string>();
  for (const file of files) {
    if (!reads.test(readFileSync(src + file, 'utf8'))) continue;
    if (!file.startsWith('gateway/')) readers.add('http');
    if (!file.startsWith('http/')) readers.add('gateway');
  }
  return [...readers].sort();
}

for (const [key, { name, modes }] of Object.entries(VARIABLES)) {
  if (ELSEWHERE.has(key)) continue;
  test(`${name} is read exactly by its documented services`, () => {
    assert.deepEqual(
      readersOf(key),
      modes.filter((mode) => mode !== 'monolith').toSorted((a, b) => a.localeCompare(b)),
    );
  });
}
