// scripts/setup.mjs in a separate project. A script replaces npm, counts its runs and installs the packages of the lock.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../../support/store.ts';

const SETUP = fileURLToPath(new URL('../../../scripts/setup.mjs', import.meta.url));
/** Any program that waits replaces the project's Node, which is a hundred times as large. */
const SLEEP = '/bin/sleep';

const NPM = `#!${process.execPath}
const fs = require('node:fs');
fs.appendFileSync('npm-runs', process.argv.slice(2).join(' ') + '\\n');
if (process.env.NPM_FAILS) process.exit(1);
fs.rmSync('node_modules', { recursive: true, force: true });
setTimeout(() => {
  const { packages } = JSON.parse(fs.readFileSync('package-lock.json', 'utf8'));
  for (const [folder, { version, optional }] of Object.entries(packages)) {
    if (folder === '' || optional) continue;
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(folder + '/package.json', JSON.stringify({ version }));
  }
  fs.mkdirSync('node_modules/node/bin');
  fs.copyFileSync('${SLEEP}', 'node_modules/node/bin/node');
}, 300);
`;

class Project implements Disposable {
  readonly #folder = temporaryFolder();

  constructor() {
    this.write('scripts/setup.mjs', readFileSync(SETUP, 'utf8'));
    this.write('bin/npm', NPM);
    chmodSync(this.file('bin/npm'), 0o755);
    this.lock('1.0.0');
  }

  file(path: string): string {
    return join(this.#folder.path, path);
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(this.file(path)), { recursive: true });
    writeFileSync(this.file(path), text);
  }

  /** The packages of package-lock.json. */
  lock(version: string): void {
    const packages = {
      '': { name: 'project' },
      ...{ 'node_modules/node': { version: '24.0.0' }, 'node_modules/a': { version } },
      ...{ 'node_modules/a/node_modules/b': { version: '2.0.0' } },
      ...{ 'node_modules/other-platform': { version: '1.0.0', optional: true } },
    };
    this.write('package-lock.json', JSON.stringify({ packages }));
  }

  /** The result of a manual `npm ci`: no trace of setup.mjs. */
  installed(): void {
    this.write('node_modules/node/package.json', '{"version":"24.0.0"}');
    this.write('node_modules/a/package.json', '{"version":"1.0.0"}');
    this.write('node_modules/a/node_modules/b/package.json', '{"version":"2.0.0"}');
    mkdirSync(this.file('node_modules/node/bin'), { recursive: true });
    copyFileSync(SLEEP, this.file('node_modules/node/bin/node'));
    chmodSync(this.file('node_modules/node/bin/node'), 0o755);
  }

  async setup(env: Record<string, string> = {}): Promise<{ code: number; said: string }> {
    const child = spawn(process.execPath, [this.file('scripts/setup.mjs')], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: `${this.file('bin')}:${process.env.PATH}`, ...env },
    });
    let said = '';
    child.stderr.on('data', (chunk) => (said += chunk));
    const [code] = (await once(child, 'close')) as [number];
    return { code, said };
  }

  get npmRuns(): number {
    return existsSync(this.file('npm-runs'))
      ? readFileSync(this.file('npm-runs'), 'utf8').trim().split('\n').length
      : 0;
  }

  /** A process that runs on the project's Node. */
  async pod(): Promise<ChildProcess & AsyncDisposable> {
    const child = spawn(this.file('node_modules/node/bin/node'), ['60'], { stdio: 'ignore' });
    await once(child, 'spawn');
    return Object.assign(child, {
      async [Symbol.asyncDispose]() {
        child.kill('SIGKILL');
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      },
    });
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }
}

test('after a manual npm ci nothing is installed again', async () => {
  using project = new Project();
  project.installed();
  assert.deepEqual(await project.setup(), { code: 0, said: '' });
  assert.equal(project.npmRuns, 0);
});

test('missing, outdated or incomplete packages are installed once', async () => {
  using project = new Project();
  assert.equal((await project.setup()).code, 0);
  assert.equal(project.npmRuns, 1);
  project.lock('1.0.1');
  assert.equal((await project.setup()).code, 0);
  rmSync(project.file('node_modules/a/node_modules/b'), { recursive: true });
  assert.equal((await project.setup()).code, 0);
  rmSync(project.file('node_modules/node/bin/node'));
  assert.equal((await project.setup()).code, 0);
  assert.equal(project.npmRuns, 4);
  assert.equal((await project.setup()).code, 0);
  assert.equal(project.npmRuns, 4);
});

test('node_modules is not deleted under a process that runs on it', async () => {
  using project = new Project();
  project.installed();
  await using pod = await project.pod();
  assert.equal((await project.setup()).code, 0, 'nothing to install, so nothing in the way');
  project.lock('1.0.1');
  const { code, said } = await project.setup();
  assert.equal(code, 1);
  assert.match(said, new RegExp(`node_modules/a\\b.*use it: ${pod.pid}\\. End them`));
  assert.equal(project.npmRuns, 0);
  assert.ok(existsSync(project.file('node_modules/a/package.json')));
  pod.kill('SIGKILL');
  await once(pod, 'exit');
  assert.equal((await project.setup()).code, 0);
  assert.equal(project.npmRuns, 1);
});

test('concurrent runs install once, and all continue when it is done', async () => {
  using project = new Project();
  const results = await Promise.all([project.setup(), project.setup(), project.setup()]);
  assert.deepEqual(
    results.map(({ code }) => code),
    [0, 0, 0],
  );
  assert.equal(project.npmRuns, 1);
});

test('a failed or interrupted installation is repeated', async () => {
  using project = new Project();
  assert.equal((await project.setup({ NPM_FAILS: '1' })).code, 1);
  // Everything looks right, but the installation was incomplete.
  project.installed();
  assert.equal((await project.setup()).code, 0);
  assert.equal(project.npmRuns, 2);
  assert.equal((await project.setup()).code, 0);
  assert.equal(project.npmRuns, 2);
});
