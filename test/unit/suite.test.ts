import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const find = (pattern: string): string[] => globSync(pattern, { cwd: ROOT });

test('npm test runs each test file once, by itself or with others in one process', () => {
  const { scripts } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as { scripts: { test: string } };
  const alone = [...scripts.test.matchAll(/"(test\/[^"]+)"/g)].flatMap(([, pattern]) => find(pattern as string));
  const bundles = find('test/*-in-one.test.ts');
  const together = bundles.flatMap((file) => {
    const [, patterns] = /importTests\((.+)\)/.exec(readFileSync(ROOT + file, 'utf8')) as unknown as [string, string];
    return [...patterns.matchAll(/'([^']+)'/g)].flatMap(([, pattern]) => find(`test/${pattern}.test.ts`));
  });
  assert.deepEqual([...alone, ...together].toSorted(), find('test/**/*.test.ts').toSorted());
  assert.ok(bundles.length > 1 && together.length > alone.length);
});

test('the folders of tests are those of src, or of the repository beside it', () => {
  const folders = ['unit', 'functional', 'contract'].flatMap((kind) =>
    find(`test/${kind}/**/*.test.ts`).map((file) => dirname(file).split('/').slice(2).join('/')),
  );
  for (const folder of new Set(folders)) {
    assert.ok(
      [`src/${folder}`, folder].some((path) => existsSync(ROOT + path)),
      `neither src/${folder} nor ${folder} exists`,
    );
  }
});
