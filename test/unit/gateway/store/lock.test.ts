import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs, { existsSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { mock, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { errorCode, GuildwayError } from '../../../../src/errors.ts';
import { readHolder } from '../../../../src/gateway/store/lock.ts';
import { openTestStore, temporaryFolder } from '../../../support/store.ts';

const CHILD = fileURLToPath(new URL('../../../support/store-child.ts', import.meta.url));

interface Child extends AsyncDisposable {
  readonly process: ChildProcess;
  readonly firstLine: string;
}

async function startChild(path: string): Promise<Child> {
  const child = spawn(process.execPath, [CHILD, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [firstLine] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return {
    process: child,
    firstLine,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}

test('a second process on the same database refuses to start and names the first', async () => {
  using folder = temporaryFolder();
  const path = folder.file('pod.sqlite3');
  await using first = await startChild(path);
  assert.equal(first.firstLine, `open ${first.process.pid}`);
  await using second = await startChild(path);
  assert.match(second.firstLine, /^error DATABASE_LOCKED /);
  assert.match(second.firstLine, new RegExp(`process ${first.process.pid} on `));
  assert.match(second.firstLine, /gateway-0, incarnation 1/);
});

test('a killed process leaves no lock behind, and the next one has a new incarnation', async () => {
  using folder = temporaryFolder();
  const path = folder.file('pod.sqlite3');
  {
    await using first = await startChild(path);
    assert.equal(first.firstLine, `open ${first.process.pid}`);
  }
  using store = openTestStore(path);
  assert.equal(store.incarnation, 2);
  assert.equal(readHolder(path)?.pid, process.pid);
});

test('the same process cannot open it twice either', () => {
  using folder = temporaryFolder();
  const path = folder.file('deep/er/pod.sqlite3');
  using store = openTestStore(path);
  assert.ok(existsSync(path));
  assert.throws(
    () => openTestStore(path),
    (error: unknown) => errorCode(error) === 'DATABASE_LOCKED',
  );
  store.close();
  openTestStore(path).close();
});

test('a folder that cannot be created is an error that names DATABASE_PATH', () => {
  using folder = temporaryFolder();
  writeFileSync(folder.file('taken'), 'a file');
  assert.throws(
    () => openTestStore(folder.file('taken/pod.sqlite3')),
    (error: unknown) =>
      error instanceof GuildwayError && error.code === 'CONFIG_INVALID' && error.message.startsWith('DATABASE_PATH'),
  );
});

test('the note of the holder is on disk, complete, before the database is used', () => {
  using folder = temporaryFolder();
  const path = folder.file('pod.sqlite3');
  const calls: string[] = [];
  const names = new Map<number, string>();
  const { openSync, fsyncSync, renameSync } = fs;
  mock.method(fs, 'openSync', (file: string, flags: string) => {
    const descriptor = openSync(file, flags);
    names.set(descriptor, basename(file));
    return descriptor;
  });
  mock.method(fs, 'fsyncSync', (file: number) => {
    calls.push(`fsync ${names.get(file)} ${fs.fstatSync(file).size > 0 ? 'with its content' : 'empty'}`);
    fsyncSync(file);
  });
  mock.method(fs, 'renameSync', (from: string, to: string) => {
    calls.push(`rename ${basename(from)} to ${basename(to)}`);
    renameSync(from, to);
  });
  syncBuiltinESMExports();
  try {
    openTestStore(path).close();
  } finally {
    mock.restoreAll();
    syncBuiltinESMExports();
  }
  assert.equal(readHolder(path)?.incarnation, 1);
  assert.deepEqual(calls, [
    'fsync pod.sqlite3.holder.json.new with its content',
    'rename pod.sqlite3.holder.json.new to pod.sqlite3.holder.json',
    `fsync ${basename(folder.path)} with its content`,
  ]);
});
