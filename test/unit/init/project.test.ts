// Of src/cli/init.ts and src/init/{command,existing,project}.ts.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { errorCode } from '../../../src/errors.ts';
import { configureExisting } from '../../../src/init/existing.ts';
import { createProject } from '../../../src/init/project.ts';
import { temporaryFolder } from '../../support/store.ts';

const invalid = (message: RegExp) => (error: Error) =>
  errorCode(error) === 'CONFIG_INVALID' && message.test(error.message);

test('a project in TypeScript has types to check, and one in JavaScript has none', () => {
  using folder = temporaryFolder();
  const typescript = createProject({ folder: folder.file('ts-bot'), language: 'typescript', deployment: 'both' });
  const javascript = createProject({ folder: folder.file('js-bot'), language: 'javascript', deployment: 'both' });
  for (const file of [
    'src/bot.ts',
    'test/bot.test.ts',
    'tsconfig.json',
    '.env.example',
    '.gitignore',
    'compose.yaml',
  ]) {
    assert.ok(typescript.includes(file), file);
  }
  assert.ok(typescript.includes('deploy/kustomization.yaml'));
  assert.ok(typescript.includes('.github/workflows/test.yaml'));
  assert.ok(javascript.includes('src/bot.js') && javascript.includes('test/bot.test.js'));
  assert.ok(!javascript.includes('tsconfig.json'));
  for (const file of javascript) {
    const text = readFileSync(`${folder.file('js-bot')}/${file}`, 'utf8');
    assert.doesNotMatch(text, /\bbot(?:\.test)?\.ts\b|my-bot|\.get</, file);
  }
});

test('only the files of the chosen deployment are made', () => {
  using folder = temporaryFolder();
  const compose = createProject({ folder: folder.file('one'), language: 'javascript', deployment: 'compose' });
  const kubernetes = createProject({ folder: folder.file('many'), language: 'javascript', deployment: 'kubernetes' });
  assert.deepEqual([compose.includes('compose.yaml'), compose.includes('deploy/kustomization.yaml')], [true, false]);
  assert.deepEqual(
    [kubernetes.includes('compose.yaml'), kubernetes.includes('deploy/kustomization.yaml')],
    [false, true],
  );
});

test('a folder with files, a file, and a name that npm does not take are refused', () => {
  using folder = temporaryFolder();
  mkdirSync(folder.file('full'));
  writeFileSync(`${folder.file('full')}/index.js`, '');
  writeFileSync(folder.file('file'), '');
  const create = (name: string) =>
    createProject({ folder: folder.file(name), language: 'javascript', deployment: 'both' });
  assert.throws(() => create('full'), invalid(/full is not empty \(index\.js\): .*guildway init --existing/));
  assert.throws(() => create('file'), invalid(/file is a file: choose another name/));
  assert.throws(() => create('My Bot'), invalid(/"My Bot" cannot be the name of a bot: .*such as my-bot/));
});

test('--existing finds how a bot starts, and changes nothing that is there', () => {
  using folder = temporaryFolder();
  const bot = (name: string, files: Record<string, string>): string => {
    mkdirSync(folder.file(name));
    for (const [file, text] of Object.entries(files)) writeFileSync(`${folder.file(name)}/${file}`, text);
    return folder.file(name);
  };
  const started = bot('started', { 'package.json': '{ "scripts": { "start": "node --no-warnings src/index.js" } }' });
  assert.deepEqual(configureExisting(started), ['node', '--no-warnings', 'src/index.js']);
  assert.deepEqual(JSON.parse(readFileSync(`${started}/guildway.config.json`, 'utf8')), {
    command: ['node', '--no-warnings', 'src/index.js'],
  });
  const shell = bot('shell', { 'package.json': '{ "scripts": { "start": "tsc && node dist" } }' });
  assert.deepEqual(configureExisting(shell), ['npm', 'start']);
  assert.deepEqual(configureExisting(bot('main', { 'package.json': '{ "main": "bot.js" }' })), ['node', 'bot.js']);
  assert.deepEqual(configureExisting(bot('python', { 'bot.py': '' })), ['python3', 'bot.py']);
  assert.throws(() => configureExisting(started), invalid(/has guildway\.config\.json already/));
  assert.throws(
    () => configureExisting(bot('none', {})),
    invalid(/does not say how its bot starts: add a start script/),
  );
});
