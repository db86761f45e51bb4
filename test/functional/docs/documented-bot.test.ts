import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** A project with the examples copied from docs/bots.md: those whose first line names a file. */
let project: string;
const files: string[] = [];

before(async () => {
  project = await mkdtemp(join(tmpdir(), 'guildway-bots-doc-'));
  await mkdir(join(project, 'node_modules', '@types'), { recursive: true });
  await symlink(ROOT, join(project, 'node_modules', 'guildway'));
  await symlink(join(ROOT, 'node_modules/@types/node'), join(project, 'node_modules/@types/node'));
  await writeFile(join(project, 'package.json'), '{ "type": "module" }');
  const text = await readFile(join(ROOT, 'docs/bots.md'), 'utf8');
  for (const [, name, code] of text.matchAll(/```ts\n\/\/ (\S+\.ts)\n(.*?)```/gs)) {
    files.push(name as string);
    await writeFile(join(project, name as string), code as string);
  }
});

after(() => rm(project, { recursive: true, force: true }));

test('the README shows the same bot', async () => {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  const greeter = await readFile(join(project, 'greeter.ts'), 'utf8');
  assert.ok(readme.includes(`\`\`\`ts\n${greeter}\`\`\``), 'the bot in README.md differs from the one in docs/bots.md');
});

test('the examples of docs/bots.md have the right types', async () => {
  assert.deepEqual(files, ['greeter.ts', 'greeter.test.ts']);
  const { compilerOptions } = JSON.parse(await readFile(join(ROOT, 'tsconfig.json'), 'utf8'));
  await writeFile(
    join(project, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...compilerOptions, noUnusedParameters: false }, include: ['*.ts'] }),
  );
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const { stdout } = spawnSync(process.execPath, [tsc, '-p', project], { cwd: project, encoding: 'utf8' });
  // Errors in the imported sources do not count: these are checked elsewhere.
  assert.deepEqual(
    stdout.split('\n').filter((line) => /^\S+\.ts\(/.test(line) && !line.startsWith('../../')),
    [],
  );
});

test('the bot of docs/bots.md runs, and its test passes', () => {
  // Not as part of this test run: the example's report goes to its parent process.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--test', 'greeter.test.ts'], {
    cwd: project,
    env,
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.equal(status, 0, stdout + stderr);
});
