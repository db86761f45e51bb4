import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pod } from '../../../../testkit/cluster/pod.ts';
import { findFreePorts, listens } from '../../../../testkit/cluster/ports.ts';
import { temporaryFolder } from '../../../support/store.ts';

const POD = new URL('../../../../testkit/cluster/pod.ts', import.meta.url).href;
/** Replaces a pod: listens on its port until it is killed. */
const LISTENER = "require('net').createServer().listen(process.env.PORT, '127.0.0.1'); process.on('SIGTERM', () => {})";

/** A process that has started a pod and waits, with or without another SIGTERM listener. */
function parent(port: number, ownListener: boolean): string {
  return `
    const { Pod } = await import(${JSON.stringify(POD)});
    const launcher = [process.execPath, '-e', ${JSON.stringify(LISTENER)}];
    const pod = new Pod({ name: 'p', ordinal: null, port: ${port}, adminPort: 1, logFile: '/dev/null', env: {}, launcher });
    pod.spawn();
    setInterval(() => {}, 1_000);
    if (${ownListener}) process.on('SIGTERM', () => pod.kill().then(() => process.exit(7)));
    process.stdout.write('started');
  `;
}

for (const [ownListener, expected] of [
  [false, [null, 'SIGTERM']],
  [true, [7, null]],
] as const) {
  const how = ownListener ? 'ends in its own way' : 'is interrupted';
  test(`no pod outlives the process that started it when that ${how}`, { timeout: 30_000 }, async () => {
    const port = await findFreePorts(1);
    const child = spawn(process.execPath, ['--input-type=module', '-e', parent(port, ownListener)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(child.stdout, 'data');
      while (!(await listens(port))) await sleep(20);
      child.kill('SIGTERM');
      assert.deepEqual(await once(child, 'exit'), expected);
      while (await listens(port)) await sleep(20);
    } finally {
      child.kill('SIGKILL');
    }
  });
}

test('a pod that ends while starting is reported with the log of this start, not of earlier ones', async () => {
  using folder = temporaryFolder();
  const launcher = [process.execPath, '-e', 'console.log(process.env.SAID); process.exit(1)'];
  const logFile = folder.file('pod.log');
  const pod = new Pod({
    name: 'p',
    ordinal: null,
    port: 1,
    adminPort: 1,
    logFile,
    env: { SAID: 'first start' },
    launcher,
  });
  await assert.rejects(pod.start(), { message: 'p ended while starting:\nfirst start' });
  pod.env.SAID = 'second start';
  await assert.rejects(pod.start(), { message: 'p ended while starting:\nsecond start' });
});
