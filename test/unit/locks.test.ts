import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problemsOfLock } from '../../scripts/check-locks.ts';

const integrity = `sha512-${'A'.repeat(86)}==`;
const resolved = 'https://registry.npmjs.org/pino/-/pino-10.4.0.tgz';

test('a lock is whole when each package has its digest and comes from the public registry', () => {
  const problems = (...packages: object[]): string[] =>
    problemsOfLock(
      JSON.stringify({
        packages: {
          '': { name: 'guildway' },
          ...Object.fromEntries(packages.map((entry, i) => [`node_modules/${i}`, entry])),
        },
      }),
    );
  assert.deepEqual(problems({ integrity, resolved }, { integrity, resolved }), []);
  assert.deepEqual(problems({ integrity, resolved }, { resolved }), [
    'node_modules/1: integrity is not a SHA-512 digest',
  ]);
  assert.deepEqual(problems({ integrity: 'sha1-AAAA', resolved }), [
    'node_modules/0: integrity is not a SHA-512 digest',
  ]);
  for (const elsewhere of [
    'https://mirror.example.com/pino.tgz',
    'https://registry.npmjs.org.example.com/pino.tgz',
    undefined,
  ]) {
    assert.deepEqual(problems({ integrity, resolved: elsewhere }), [
      `node_modules/0: resolved is ${elsewhere ?? 'missing'}, not below https://registry.npmjs.org/`,
    ]);
  }
});
