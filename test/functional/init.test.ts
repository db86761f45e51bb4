// Of src/cli/init.ts and src/init/command.ts.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BARE } from '../support/environment.ts';
import { findKustomize, render } from '../support/kubernetes.ts';
import { skip } from '../support/overlay.ts';
import { temporaryFolder } from '../support/store.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const guildway = join(ROOT, 'src/cli/index.ts');
const kustomize = findKustomize();
const folder = temporaryFolder();
const project = folder.file('first-bot');

const run = (args: readonly string[], cwd: string) =>
  spawnSync(process.execPath, args, { cwd, env: BARE, encoding: 'utf8', timeout: 120_000 });

/** As `npm install` would leave it. */
function install(): void {
  const modules = join(project, 'node_modules');
  mkdirSync(join(modules, '@types'), { recursive: true });
  symlinkSync(ROOT, join(modules, 'guildway'));
  for (const name of ['@types/node', 'discord-api-types']) {
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  }
}

before(() => {
  const { status, stdout, stderr } = run([guildway, 'init', 'first-bot', '--json'], folder.path);
  assert.equal(status, 0, stderr);
  assert.ok(JSON.parse(stdout).files.includes('src/bot.ts'));
  install();
});
after(() => folder[Symbol.dispose]());

test('the tests of a new bot pass: a command, a job and a page on a local cluster', () => {
  const { status, stdout, stderr } = run(['--test'], project);
  assert.equal(status, 0, `${stdout}${stderr}`);
  assert.match(stdout, /pass 2\b/);
});

test('a new bot has the right types', () => {
  const { stdout } = run([join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', project], project);
  // Errors in the sources of guildway do not count: a project sees declarations in their place.
  assert.deepEqual(
    stdout.split('\n').filter((line) => /^(?:src|test)\/\S+\(/.test(line)),
    [],
  );
});

test('the overlay of a new bot refers to the manifests of the package that is installed', () => {
  const text = readFileSync(join(project, 'deploy/kustomization.yaml'), 'utf8');
  const paths = [...text.matchAll(/^ {2}- (\.\.\/\S+)$/gm)].map(([, path = '']) => path);
  assert.equal(paths.length, 2);
  for (const path of paths) {
    assert.ok(readFileSync(join(project, 'deploy', path, 'kustomization.yaml'), 'utf8').length > 0, path);
  }
});

test('a wrong command line names the value and what is allowed, and makes nothing', () => {
  const wrong = run([guildway, 'init', 'other', '--language', 'rust'], folder.path);
  assert.equal(wrong.status, 2);
  assert.match(wrong.stderr, /^guildway: --language rust: it must be typescript or javascript\n/);
  const nameless = run([guildway, 'init', '--json'], folder.path);
  assert.equal(nameless.status, 1);
  assert.match(nameless.stderr, /^guildway: no folder: name it, such as guildway init my-bot\n/);
  assert.match(run([guildway, 'init', '--help'], folder.path).stdout, /--deploy <where>/);
});

test('guildway serve --env reads variables, and says what to do when the file is missing', () => {
  const missing = run([guildway, 'serve', '--env', '.env'], folder.path);
  assert.equal(missing.status, 1);
  assert.match(missing.stderr, /^guildway: --env \.env: .*copy \.env\.example to it/);
  writeFileSync(folder.file('wrong.env'), 'NUM_GATEWAY_PODS=0\n');
  const wrong = run([guildway, 'serve', '--env', 'wrong.env'], folder.path);
  assert.match(wrong.stderr, /^guildway: NUM_GATEWAY_PODS: "0" is not allowed/);
});

test('the overlay of a new bot renders', { skip }, () => {
  writeFileSync(join(project, 'deploy/discord.env'), 'DISCORD_TOKEN=x\n');
  writeFileSync(join(project, 'deploy/link.env'), 'LINK_SECRET=x\n');
  const { objects } = render(kustomize as readonly string[], join(project, 'deploy'));
  assert.ok(objects.some(({ kind, metadata }) => kind === 'StatefulSet' && metadata.namespace === 'first-bot'));
});
