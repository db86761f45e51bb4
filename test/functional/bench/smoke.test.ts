import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Table } from '../../../bench/harness/summary.ts';

// Runs the benchmarks for seconds, so that they keep working. Asserts nothing about speed.

const run = promisify(execFile);
const path = (relative: string): string => fileURLToPath(new URL(`../../../${relative}`, import.meta.url));

async function bench(entry: string, args: readonly string[], output: string): Promise<string> {
  const { stdout } = await run(process.execPath, [path(entry), '--quick', '--output', output, ...args], {
    timeout: 150_000,
  });
  return stdout;
}

test('the benchmarks run, every response is correct, and they report', {
  skip: process.platform !== 'linux',
}, async (t) => {
  const output = await mkdtemp(join(tmpdir(), 'guildway-bench-smoke-'));
  t.after(() => rm(output, { recursive: true, force: true }));

  await t.test('npm run bench', async () => {
    const peers = 'guildway,hello';
    await bench('bench/main.ts', ['--no-install', '--peers', peers], output);
    const { tables } = JSON.parse(await readFile(join(output, 'bench.json'), 'utf8')) as { tables: Table[] };
    assert.deepEqual(
      tables.map(({ id }) => id),
      ['a', 'b', 'c', 'd', 'e', 'f', 'g1', 'g16', 'g64', 'g64-core', 'm', 'v'],
    );
    for (const { id, rows } of tables) {
      assert.ok(
        rows.some(({ role }) => role === 'ours'),
        `(${id}) has a row of ours`,
      );
      for (const row of rows) assert.equal(row.failed, 0, `(${id}) ${row.title}: every answer was right`);
    }
    assert.match(await readFile(join(output, 'bench.md'), 'utf8'), /Guildway/);
    assert.match(await readFile(join(output, 'bench.svg'), 'utf8'), /^<svg/);
  });

  await t.test('npm run load', async () => {
    const report = await bench('bench/load.ts', ['--routing', 'discord-shard'], output);
    assert.doesNotMatch(report, /failed: \{/);
    assert.match(report, /2 HTTP pods, 3 gateway pods/);
    assert.match(await readFile(join(output, 'load.svg'), 'utf8'), /^<svg/);
  });
});
