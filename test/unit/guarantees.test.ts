/** docs/guarantees.md and docs/security.md name the tests that show each claim. These tests check that they exist. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A test file, and the words that its test's name has. */
interface NamedTest {
  readonly file: string;
  readonly name: string;
}

/** A test is written `test/x/y.test.ts` "its name, or a part of it". */
const testsIn = (text: string): NamedTest[] =>
  [...text.matchAll(/`(test\/[^`]+)` "([^"]+)"/g)].map(([, file = '', name = '']) => ({ file, name }));

function assertExists({ file, name }: NamedTest): void {
  assert.ok(existsSync(join(root, file)), `${file} does not exist`);
  const source = readFileSync(join(root, file), 'utf8').replace(/\\'/g, "'");
  assert.ok(source.includes(name), `${file} has no test named "${name}"`);
}

interface Row {
  readonly fault: string;
  readonly tests: readonly NamedTest[];
}

/** The rows of the table of faults. A test is written `test/x/y.test.ts` "its name, or a part of it". */
function readRows(): Row[] {
  const text = readFileSync(join(root, 'docs/guarantees.md'), 'utf8');
  const table = text.split('## Faults')[1]?.split('\n## ')[0] ?? '';
  return table
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| ---') && !line.startsWith('| fault'))
    .map((line) => {
      const [fault = '', , shown = ''] = line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, ''));
      return { fault, tests: testsIn(shown) };
    });
}

describe('docs/guarantees.md', () => {
  const rows = readRows();

  test('has a row for each kind of failure', () => {
    assert.ok(rows.length >= 29, `only ${rows.length} rows`);
  });

  for (const { fault, tests } of rows) {
    test(fault, () => {
      assert.ok(tests.length > 0, 'no test is named');
      for (const one of tests) assertExists(one);
    });
  }
});

test('docs/security.md names tests that exist', () => {
  const tests = testsIn(readFileSync(join(root, 'docs/security.md'), 'utf8'));
  assert.ok(tests.length >= 30, `only ${tests.length} tests`);
  for (const one of tests) assertExists(one);
});
