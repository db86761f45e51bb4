// Of src/cli/dev.ts.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../../src/cli/index.ts', import.meta.url));

test('guildway dev passes its arguments to the local cluster, and returns its exit code', () => {
  const help = spawnSync(process.execPath, [CLI, 'dev', '--help'], { encoding: 'utf8' });
  assert.match(help.stdout, /--gateway-pods <n>/);
  assert.equal(help.status, 0);
  const wrong = spawnSync(process.execPath, [CLI, 'dev', '--port', 'x', '--', 'node', 'index.js'], {
    encoding: 'utf8',
  });
  assert.match(wrong.stderr, /--port x/);
  assert.equal(wrong.status, 1);
});
