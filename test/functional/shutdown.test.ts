// The shutdown of a process.
// Of src/main.ts.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request as httpRequest, type RequestOptions } from 'node:http';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BARE } from '../support/environment.ts';
import { temporaryFolder } from '../support/store.ts';
import { until } from '../support/wait.ts';

const path = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const GUILD = '197038439483310086';

/** A monolith whose bot answers `wait` only after a request for `release`. */
async function startMonolith(env: Record<string, string>) {
  const folder = temporaryFolder();
  const child = spawn(process.execPath, [path('../../src/main.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...BARE,
      ...{ SERVICE_MODE: 'monolith', PORT: '0', ADMIN_PORT: '0', HOST: '127.0.0.1' },
      ...{ BOT: path('../support/waiting-bot.ts'), DATABASE_PATH: folder.file('pod'), ...env },
    },
  });
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  const lines: Record<string, unknown>[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line)));
  const started = await until('it listens', () => lines.find(({ adminPort }) => adminPort !== undefined));
  const { port, adminPort } = started as { port: number; adminPort: number };
  return {
    child,
    ended,
    lines,
    async ready(): Promise<{ status: number; reasons: unknown }> {
      const response = await fetch(`http://127.0.0.1:${adminPort}/readyz`);
      return { status: response.status, reasons: ((await response.json()) as { reasons: unknown }).reasons };
    },
    async ask(page: string, options: RequestOptions): Promise<string> {
      const target = { host: '127.0.0.1', port, path: `/app/${GUILD}/${page}` };
      const [response] = await once(httpRequest({ ...target, ...options }).end(), 'response');
      return `${response.statusCode} ${await text(response)}`;
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
      folder[Symbol.dispose]();
    },
  };
}

test('a monolith that shuts down is not ready, and serves late requests until they stop', async () => {
  const env = { IDLE_DRAIN_MS: '60000', DRAIN_TIMEOUT_MS: '120000', REQUEST_TIMEOUT_MS: '5000' };
  await using monolith = await startMonolith(env);
  const { ask, ready } = monolith;
  assert.equal((await ready()).status, 200);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  assert.equal(await ask('first', { agent }), '200 first');
  const waiting = ask('wait', { agent: new Agent() });
  // It has arrived once a later request is answered.
  assert.equal(await ask('second', { agent }), '200 second');

  monolith.child.kill('SIGTERM');
  await until('it is not ready', async () => (await ready()).status === 503);
  assert.deepEqual((await ready()).reasons, ['shutting down']);
  // The connection existed before. Its request reaches the gateway service, which still accepts it.
  assert.equal(await ask('release', { agent }), '200 release');
  assert.equal(await waiting, '200 wait');
  assert.deepEqual(await monolith.ended, [0, null]);
});

test('for DRAIN_DELAY_MS a process that shuts down serves new connections while it is not ready', async () => {
  await using monolith = await startMonolith({ DRAIN_DELAY_MS: '60000' });
  monolith.child.kill('SIGTERM');
  await until('it is not ready', async () => (await monolith.ready()).status === 503);
  assert.equal(await monolith.ask('new', { agent: new Agent() }), '200 new');
  assert.equal(monolith.child.exitCode, null);
});

test('a process that does not drain within DRAIN_TIMEOUT_MS logs that and exits with 1', async () => {
  await using monolith = await startMonolith({ DRAIN_TIMEOUT_MS: '300' });
  const unanswered = monolith.ask('wait', { method: 'POST', headers: { 'idempotency-key': 'one' } });
  unanswered.catch(() => {});
  assert.equal(await monolith.ask('second', {}), '200 second');
  monolith.child.kill('SIGTERM');
  assert.deepEqual(await monolith.ended, [1, null]);
  await until('it says so', () => monolith.lines.some(({ msg }) => String(msg).startsWith('not drained in time')));
});
