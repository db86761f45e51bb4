import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runEnvironment } from '../../../src/cli/run.ts';

const exists =
  (...files: string[]) =>
  (path: string) =>
    files.includes(path);

test('the command and the configuration become variables of the pod', () => {
  assert.deepEqual(runEnvironment(['node', 'index.js'], {}, {}, exists()), { BOT_COMMAND: '["node","index.js"]' });
  assert.deepEqual(runEnvironment([], {}, {}, exists('guildway.config.json', 'guildway.config.ts')), {
    BOT: 'guildway.config.ts',
  });
  assert.deepEqual(
    runEnvironment(['bun', 'run'], { config: 'a/guildway.config.js' }, {}, exists('a/guildway.config.js')),
    {
      BOT: 'a/guildway.config.js',
      BOT_COMMAND: '["bun","run"]',
    },
  );
});

test('what is missing is named', () => {
  const code = 'CONFIG_INVALID';
  assert.throws(() => runEnvironment([], {}, {}, exists()), { code, message: /no command/ });
  assert.throws(() => runEnvironment(['node'], { config: 'x' }, {}, exists()), { code, message: /--config x/ });
  assert.throws(() => runEnvironment(['node'], {}, { SERVICE_MODE: 'http' }, exists()), {
    code,
    message: /SERVICE_MODE/,
  });
});
