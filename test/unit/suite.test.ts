import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join } from 'node:path';
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

test('test folders mirror those of src or of the repository', () => {
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

/** The modules of a test: those that it imports, those named in the comment before its imports, and the one that it mirrors. */
function namedBy(file: string): string[] {
  const text = readFileSync(ROOT + file, 'utf8');
  const [head = ''] = text.split(/^import /m, 1);
  const inHead = [...head.matchAll(/\bsrc\/[\w/-]*(?:\{([\w,-]+)\})?[\w/-]*\.ts\b/g)].flatMap(([path, names]) =>
    names === undefined ? [path] : names.split(',').map((name) => path.replace(`{${names}}`, name)),
  );
  const imported = [...text.matchAll(/(?:from|import\() ?'(\.[^']+\.ts)'/g)].map(([, path = '']) =>
    join(dirname(file), path),
  );
  return [...inHead, ...imported, file.replace(/^test\/\w+\//, 'src/').replace(/\.test\.ts$/, '.ts')];
}

test('every module of src with logic is named by a test, and every named module exists', () => {
  const named = new Set(find('test/**/*.ts').flatMap(namedBy));
  const unnamed = find('src/**/*.ts').filter((file) => {
    const code = stripTypeScriptTypes(readFileSync(ROOT + file, 'utf8')).replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
    return /\bfunction\b|=>|\bclass\b/.test(code) && !named.has(file);
  });
  assert.deepEqual(
    unnamed,
    [],
    'import them in a test, or name them in the comment at the top of the test that needs them',
  );
  const heads = find('test/**/*.test.ts').flatMap((file) =>
    namedBy(file)
      .slice(0, -1)
      .filter((path) => path.startsWith('src/')),
  );
  assert.deepEqual(
    heads.filter((path) => !existsSync(ROOT + path)),
    [],
  );
});
