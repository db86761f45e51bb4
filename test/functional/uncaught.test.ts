// Uncaught errors in each service: the log line and the end of the process.
// Of src/observability/crash.ts.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BARE } from '../support/environment.ts';
import { temporaryFolder } from '../support/store.ts';
import { until } from '../support/wait.ts';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

interface Line {
  readonly level: number;
  readonly port?: number;
  readonly origin?: string;
  readonly err?: { readonly message: string; readonly stack: string };
}

/** One process of a bot that can be made to fail; resolves when it has started. */
async function startService(mode: 'http' | 'gateway' | 'monolith') {
  const folder = temporaryFolder();
  const child = spawn(process.execPath, [path('../../src/main.ts')], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...BARE,
      ...{ SERVICE_MODE: mode, PORT: '0', ADMIN_PORT: '0', HOST: '127.0.0.1', DATABASE_PATH: folder.file('pod') },
      ...{ LINK_SECRET: 'a secret of the test cluster', NUM_GATEWAY_PODS: '1', GATEWAY_URL_TEMPLATE: nowhere },
      ...(mode === 'gateway' ? { POD_ORDINAL: '0' } : {}),
      BOT: path('../support/crashing-bot.ts'),
    },
  });
  const lines: Line[] = [];
  let output = '';
  createInterface({ input: child.stdout }).on('line', (line) => {
    output += `${line}\n`;
    lines.push(JSON.parse(line));
  });
  child.stderr.on('data', (chunk) => (output += chunk));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  const service = {
    child,
    ended,
    output: () => output,
    errors: () => lines.filter(({ level }) => level >= 50),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
      folder[Symbol.dispose]();
    },
  };
  try {
    await until('it has started', () => lines.some(({ port }) => port !== undefined));
  } catch (error) {
    // A leftover process would keep this one from exiting.
    await service[Symbol.asyncDispose]();
    throw error;
  }
  return service;
}

/** Nothing listens there, but a service starts anyway. */
const nowhere = 'http://127.0.0.1:{9+ordinal}';

for (const mode of ['http', 'gateway', 'monolith'] as const) {
  test(`${mode}: an uncaught error is logged with its stack and ends the process`, async () => {
    await using service = await startService(mode);
    service.child.kill('SIGUSR2');
    assert.equal(await service.ended, 1);
    const [line, ...more] = service.errors();
    assert.equal(more.length, 0);
    assert.deepEqual(
      [line?.level, line?.origin, line?.err?.message],
      [60, 'uncaughtException', 'thrown and not caught'],
    );
    assert.match(line?.err?.stack ?? '', /crashing-bot\.ts:\d+/);
    assert.doesNotMatch(service.output(), /a user's text/);
  });
}

test('http: an unhandled rejection is logged with its stack and ends the process', async () => {
  await using service = await startService('http');
  service.child.kill('SIGHUP');
  assert.equal(await service.ended, 1);
  const [line] = service.errors();
  assert.deepEqual(
    [line?.level, line?.origin, line?.err?.message],
    [60, 'unhandledRejection', 'rejected and not handled'],
  );
  assert.match(line?.err?.stack ?? '', /crashing-bot\.ts:\d+/);
  assert.doesNotMatch(service.output(), /a user's text/);
});

for (const mode of ['gateway', 'monolith'] as const) {
  test(`${mode}: an unhandled rejection is logged, and the pod continues`, async () => {
    await using service = await startService(mode);
    service.child.kill('SIGHUP');
    const line = await until('it is logged', () => service.errors()[0]);
    assert.deepEqual([line.level, line.err?.message], [50, 'rejected and not handled']);
    service.child.kill('SIGTERM');
    assert.equal(await service.ended, 0);
  });
}
