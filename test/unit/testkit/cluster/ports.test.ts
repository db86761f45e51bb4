import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { findFreePorts } from '../../../../testkit/cluster/ports.ts';

const PORTS = new URL('../../../../testkit/cluster/ports.ts', import.meta.url).href;
const ROWS = 40;
const LENGTH = 10;

const row = (first: number): number[] => Array.from({ length: LENGTH }, (_, index) => first + index);

test('ports are never given out twice, in this process or another', async (t) => {
  const script = `
    import { findFreePorts } from ${JSON.stringify(PORTS)};
    const rows = await Promise.all(Array.from({ length: ${ROWS} }, () => findFreePorts(${LENGTH})));
    process.send(rows);
    // It owns its ports as long as it lives.
    setInterval(() => {}, 1_000);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  t.after(() => child.kill());
  const [[theirs], ours] = await Promise.all([
    once(child, 'message') as Promise<[number[]]>,
    Promise.all(Array.from({ length: ROWS }, () => findFreePorts(LENGTH))),
  ]);
  const ports = [...theirs, ...ours].flatMap(row);
  assert.equal(new Set(ports).size, 2 * ROWS * LENGTH);
});
