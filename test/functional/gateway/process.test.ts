// Behaviour that only a separate process can show.
// Of src/gateway/stray-rejections.ts.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { signPlainRequest } from '../../../src/link/auth.ts';
import { BARE } from '../../support/environment.ts';
import { temporaryFolder } from '../../support/store.ts';
import { until } from '../../support/wait.ts';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const SECRET = 'a secret of the test cluster';

function startPod(database: string, env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [path('../../../src/main.ts')], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...BARE,
      ...{
        SERVICE_MODE: 'gateway',
        NUM_GATEWAY_PODS: '1',
        POD_ORDINAL: '0',
        PORT: '0',
        ADMIN_PORT: '0',
        HOST: '127.0.0.1',
      },
      ...{ LINK_SECRET: SECRET, DATABASE_PATH: database, BOT: path('../../support/stray-bot.ts'), ...env },
    },
  });
  const lines: Record<string, unknown>[] = [];
  let errors = '';
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line)));
  child.stderr.on('data', (chunk) => (errors += chunk));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return {
    child,
    lines,
    ended,
    errors: () => errors,
    async get(target: string): Promise<Response> {
      const started = await until('it listens', () => lines.find(({ port }) => port !== undefined));
      const auth = signPlainRequest(SECRET, 0, 'GET', target);
      return fetch(`http://127.0.0.1:${started.port}${target}`, { headers: { 'guildway-auth': auth } });
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

test('an unhandled rejection in a handler is logged, and the pod continues', async () => {
  using folder = temporaryFolder();
  await using pod = startPod(folder.file('pod'));
  assert.equal(await (await pod.get('/stray')).text(), 'fine');
  const line = await until('it is logged', () => pod.lines.find(({ level }) => level === 50));
  assert.match(JSON.stringify(line), /unhandled on purpose/);
  assert.equal((await pod.get('/')).status, 200);
  pod.child.kill('SIGTERM');
  assert.equal(await pod.ended, 0);
});

test('a second process of the same pod exits with a message that names the first', async () => {
  using folder = temporaryFolder();
  await using first = startPod(folder.file('pod'));
  assert.equal((await first.get('/')).status, 200);
  await using second = startPod(folder.file('pod'));
  assert.equal(await second.ended, 1);
  assert.match(second.errors(), new RegExp(`held by process ${first.child.pid} on .*end that one first`));
});

test('fault injection cannot be enabled by accident', async () => {
  using folder = temporaryFolder();
  await using wrong = startPod(folder.file('pod'), { GUILDWAY_TEST_FAULT: 'no-ledger' });
  assert.equal(await wrong.ended, 1);
  assert.match(wrong.errors(), /GUILDWAY_TEST_FAULT: it is for tests and needs NODE_ENV=test/);
  await using unknown = startPod(folder.file('pod'), { GUILDWAY_TEST_FAULT: 'no-such', NODE_ENV: 'test' });
  assert.equal(await unknown.ended, 1);
  assert.match(unknown.errors(), /must be one of no-ledger/);
});
