import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { isBot } from '../../src/bot/define-bot.ts';
import { errorCode } from '../../src/errors.ts';
import { loadBot } from '../../src/load-bot.ts';
import { temporaryFolder } from '../support/store.ts';

test('BOT names a module whose default export is a bot; without it the moderation bot is loaded', async () => {
  assert.ok(isBot(await loadBot(null)));
  using folder = temporaryFolder();
  const file = folder.file('bot.mjs');
  await writeFile(file, 'export default { name: "no bot" };');
  for (const [name, message] of [
    [file, /has no bot as its default export/],
    [folder.file('none.mjs'), /cannot load/],
    ['a-package-that-does-not-exist', /cannot load/],
  ] as const) {
    await assert.rejects(
      loadBot(name),
      (error: Error) => errorCode(error) === 'BOT_INVALID' && message.test(error.message),
    );
  }
});
