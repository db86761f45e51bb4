/** docs/guarantees.md names the test that shows each promise; this sees to it that those tests exist. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

interface Row {
  readonly fault: string;
  /** A test file, and the words that its test's name has. */
  readonly tests: readonly { file: string; name: string }[];
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
      const tests = [...shown.matchAll(/`(test\/[^`]+)` "([^"]+)"/g)].map(([, file = '', name = '']) => ({
        file,
        name,
      }));
      return { fault, tests };
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
      for (const { file, name } of tests) {
        assert.ok(existsSync(join(root, file)), `${file} does not exist`);
        const source = readFileSync(join(root, file), 'utf8').replace(/\\'/g, "'");
        assert.ok(source.includes(name), `${file} has no test named "${name}"`);
      }
    });
  }
});
