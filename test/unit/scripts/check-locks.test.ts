import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problemsOfLock } from '../../../scripts/check-locks.ts';

const integrity = `sha512-${'A'.repeat(86)}==`;

test('a lock is complete when each package has a digest and comes from the registry', () => {
  const problems = (...packages: object[]): string[] =>
    problemsOfLock(
      JSON.stringify({
        packages: {
          '': { name: 'guildway' },
          ...Object.fromEntries(packages.map((entry, i) => [`node_modules/${i}`, entry])),
        },
      }),
    );
  assert.deepEqual(problems({ integrity }, { integrity }), []);
  const noDigest = 'integrity is not a SHA-512 digest';
  assert.deepEqual(problems({ integrity }, {}), [`node_modules/1: ${noDigest}`]);
  assert.deepEqual(problems({ integrity: 'sha1-AAAA' }), [`node_modules/0: ${noDigest}`]);
  const resolved = 'https://mirror.example.com/pino.tgz';
  assert.deepEqual(problems({ integrity, resolved }), [
    `node_modules/0: resolved is ${resolved}; packages come from the registry`,
  ]);
});
