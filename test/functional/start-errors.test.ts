// Of src/listen.ts.
// What a process prints when it cannot start: the value, the reason and the way out, without a stack.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BARE } from '../support/environment.ts';
import { temporaryFolder } from '../support/store.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

async function start(env: Record<string, string>, args: string[] = []): Promise<string> {
  const child = spawn(process.execPath, [main, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      ...BARE,
      ...{
        HOST: '127.0.0.1',
        PORT: '0',
        ADMIN_PORT: '0',
        DISCORD_PUBLIC_KEY: 'ab'.repeat(32),
        LINK_SECRET: 'x'.repeat(32),
      },
      ...env,
    },
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (errors += chunk));
  const [code] = await once(child, 'close');
  assert.equal(code, 1, errors);
  return errors;
}

test('a port in use is named with its variable and the remedy', async () => {
  using folder = temporaryFolder();
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const expected = (variable: string) =>
    new RegExp(
      `^guildway: ${variable}: port ${port} is in use\\. End the process .*or set ${variable} to another port\n$`,
    );
  const env = { SERVICE_MODE: 'http', NUM_GATEWAY_PODS: '1', GATEWAY_URL_TEMPLATE: 'http://127.0.0.1:{1+ordinal}' };
  const gateway = {
    SERVICE_MODE: 'gateway',
    NUM_GATEWAY_PODS: '1',
    POD_ORDINAL: '0',
    DATABASE_PATH: folder.file('pod'),
  };
  const [adminPort, httpPort, gatewayPort] = await Promise.all([
    start({ ...env, ADMIN_PORT: String(port) }),
    start({ ...env, PORT: String(port) }),
    start({ ...gateway, PORT: String(port) }),
  ]);
  server.close();
  assert.match(adminPort, expected('ADMIN_PORT'));
  assert.match(httpPort, expected('PORT'));
  assert.match(gatewayPort, expected('PORT'));
});

test('an argument of a pod is an error: environment variables configure it', async () => {
  assert.match(await start({}, ['--port', '3']), /^guildway: --port 3: a pod takes no arguments\. .*PORT=3000.*\n$/);
});

test('a DATABASE_PATH that can be no file says why and what can be', async () => {
  using folder = temporaryFolder();
  mkdirSync(folder.file('data'));
  writeFileSync(folder.file('file'), '');
  const env = { SERVICE_MODE: 'gateway', NUM_GATEWAY_PODS: '1', POD_ORDINAL: '0' };
  const [isFolder, inFile] = await Promise.all([
    start({ ...env, DATABASE_PATH: folder.file('data') }),
    start({ ...env, DATABASE_PATH: `${folder.file('file')}/pod` }),
  ]);
  assert.match(
    isFolder,
    /^guildway: DATABASE_PATH: .*\/data is a folder\. Name a file in it: .*\/data\/guildway\.sqlite3\n$/,
  );
  assert.match(inFile, /^guildway: DATABASE_PATH: .*\/file is a file, so .* cannot be in it\. Name another path\n$/);
});
