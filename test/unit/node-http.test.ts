import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { METHODS, STATUS_CODES } from 'node:http';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as http from '../../src/node-http.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

test('it exports what node:http does', () => {
  assert.equal(http.STATUS_CODES, STATUS_CODES);
  assert.equal(http.METHODS, METHODS);
});

test('no other module imports values of node:http: a pod would load an unused HTTP client', () => {
  const importers = globSync('src/**/*.ts', { cwd: root }).filter((file) =>
    /^(?:import(?! type)[^;]*from|export(?! type)[^;]*from|import) 'node:http'/m.test(
      readFileSync(root + file, 'utf8'),
    ),
  );
  assert.deepEqual(importers, []);
});
