import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { MINIMUM_NODE, unsupportedNode } from '../../../src/cli/node-version.ts';

test('an older Node is rejected with the required version and how to get it', () => {
  for (const version of ['20.11.1', '22.20.0', '24.14.9', '4.9.1']) {
    assert.match(
      String(unsupportedNode(version)),
      /^this is Node [\d.]+, but Guildway needs 24\.15\.0 or later: .*npm install node@24/,
    );
  }
  for (const version of ['24.15.0', '24.15.1', '24.21.0', '25.0.0', '100.0.0'])
    assert.equal(unsupportedNode(version), null);
});

test('the command requires the Node version of package.json', () => {
  const { engines } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
  assert.equal(engines.node, `>=${MINIMUM_NODE}`);
});
