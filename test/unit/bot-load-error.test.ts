import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { loadBot } from '../../src/load-bot.ts';
import { temporaryFolder } from '../support/store.ts';

async function messageOf(path: string): Promise<string> {
  try {
    await loadBot(path);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error(`${path} has loaded`);
}

test('a bot that cannot be loaded: the error has the file and the line', async () => {
  using folder = temporaryFolder();
  const typescript = folder.file('syntax.ts');
  const module = folder.file('syntax.mjs');
  const importer = folder.file('imports.mjs');
  const throws = folder.file('throws.mjs');
  writeFileSync(typescript, "export const a: string = '';\nconst b = { c d };\n");
  writeFileSync(module, "export const a = '';\nconst b = { c d };\n");
  writeFileSync(importer, `import { readFileSync } from 'node:fs';\nimport ${JSON.stringify(module)};\n`);
  writeFileSync(throws, '\n\nnull.commands;\n');
  assert.ok((await messageOf(typescript)).endsWith(`\n    at ${typescript}:2`));
  assert.ok((await messageOf(module)).endsWith(`\n    at ${module}:2`));
  assert.ok((await messageOf(importer)).endsWith(`\n    at ${module}:2`));
  assert.match(await messageOf(throws), /Cannot read properties of null.*\n {4}at .*\/throws\.mjs:3:6$/);
});

test('a package that is not installed: the error has the command that installs it', async () => {
  using folder = temporaryFolder();
  const path = folder.file('bot.mjs');
  writeFileSync(path, "import { defineBot } from 'guildway';\nexport default defineBot({ name: 'x' });\n");
  assert.match(
    await messageOf(path),
    /Cannot find package 'guildway'.*Run this in the folder of the bot: npm install guildway$/,
  );
});
