/** docs/guarantees.md and docs/security.md name the tests that show each claim. These tests check that they exist. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** A test file, and the words that its test's name has. */
interface NamedTest {
  readonly file: string;
  readonly name: string;
}

interface Row {
  /** The first cell. */
  readonly claim: string;
  readonly tests: readonly NamedTest[];
}

/** A test is written `test/x/y.test.ts` "its name, or a part of it". */
const testsIn = (text: string): NamedTest[] =>
  [...text.matchAll(/`(test\/[^`]+)` "([^"]+)"/g)].map(([, file = '', name = '']) => ({ file, name }));

const TITLE = /\b(?:test|describe)\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/gs;

function assertExists({ file, name }: NamedTest): void {
  assert.ok(existsSync(join(root, file)), `${file} does not exist`);
  const source = readFileSync(join(root, file), 'utf8');
  const titles = [...source.matchAll(TITLE)].map(([, , title = '']) => title.replace(/\\(['"`])/g, '$1'));
  assert.ok(
    titles.some((title) => title.includes(name)),
    `${file} has no test named "${name}"`,
  );
}

/** The rows of all tables whose last column is "shown by" or "tests", with what that column names. */
function readRows(text: string): Row[] {
  const rows: Row[] = [];
  let claims = false;
  for (const line of text.split('\n')) {
    if (!line.startsWith('|')) claims = false;
    else if (/\| (?:shown by|tests) \|$/.test(line)) claims = true;
    else if (claims && !line.startsWith('| ---')) {
      const cells = line.replace(/^\| | \|$/g, '').split(' | ');
      rows.push({ claim: cells[0] ?? '', tests: testsIn(cells.at(-1) ?? '') });
    }
  }
  return rows;
}

for (const { document, atLeast } of [
  { document: 'docs/guarantees.md', atLeast: 40 },
  { document: 'docs/security.md', atLeast: 55 },
]) {
  describe(document, () => {
    const text = readFileSync(join(root, document), 'utf8');
    const rows = readRows(text);

    test('has its rows', () => {
      assert.ok(rows.length >= atLeast, `only ${rows.length} rows`);
    });

    for (const { claim, tests } of rows) {
      test(claim, () => {
        assert.ok(tests.length > 0, 'no test is named');
        for (const one of tests) assertExists(one);
      });
    }

    test('names existing tests, also outside its tables', () => {
      for (const one of testsIn(text)) assertExists(one);
    });
  });
}
