// The process of a bot, on real processes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { BotProcess, type BotProcessOptions } from '../../../../src/gateway/beside/bot-process.ts';
import { recordingLog } from '../../../support/discord-pod.ts';
import { temporaryFolder } from '../../../support/store.ts';
import { until } from '../../../support/wait.ts';

function start(command: readonly string[], options: Partial<BotProcessOptions> = {}) {
  const { log, lines } = recordingLog();
  let ends = 0;
  const bot = new BotProcess({
    ...{ command, env: process.env, readyMs: 30_000, stopMs: 5_000, backoffMs: 20, log },
    onEnd: () => ends++,
    ...options,
  });
  bot.start();
  const texts = (): string[] => lines.map(({ text }) => text);
  return { bot, texts, ends: () => ends, [Symbol.asyncDispose]: () => bot.stop() };
}

const node = (script: string): string[] => [process.execPath, '-e', script];

test('its output becomes log lines, and it is started again with a growing wait when it ends', async () => {
  await using run = start(node('console.log("hello"); console.error("oh no"); process.exit(3)'));
  await until('the third start', () => run.texts().filter((text) => text === 'hello').length === 3);
  assert.ok(run.texts().includes('oh no'));
  assert.match(run.bot.problem ?? '', /it ended \(code 3\)|it starts/);
  assert.ok(run.ends() >= 2);
  await run.bot.stop();
  assert.equal(run.bot.state, 'stopped');
});

test('a command that does not exist is named', async () => {
  await using run = start(['/no/such/program']);
  // With setpriv in front, the reason is in its output.
  await until('the problem', () => /ENOENT|code 127/.test(run.bot.problem ?? ''));
  assert.match([run.bot.problem, ...run.texts()].join('\n'), /\/no\/such\/program/);
});

test('a bot that does not get ready, or hangs, is killed and started again', async () => {
  await using slow = start(node('setInterval(() => {}, 1000)'), { readyMs: 300 });
  await until('its second start', () => slow.ends() > 0 && slow.bot.state === 'starting');
  await using hung = start(node('console.log("up"); for (;;);'));
  await until('it runs', () => hung.texts().includes('up'));
  hung.bot.ready();
  assert.equal(hung.bot.problem, null);
  hung.bot.silent();
  await until('it is killed', () => hung.ends() === 1);
});

test('what it has started ends with it', async () => {
  using folder = temporaryFolder();
  const script = folder.file('bot.mjs');
  writeFileSync(
    script,
    `import { spawn } from 'node:child_process';
     const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
     console.log('child ' + child.pid);
     process.on('SIGTERM', () => process.exit(0));
     setInterval(() => {}, 1000);`,
  );
  await using run = start([process.execPath, script]);
  const line = await until('the child', () => run.texts().find((text) => text.startsWith('child ')));
  await run.bot.stop();
  const pid = Number(line.slice('child '.length));
  await until('the child is gone', () => {
    try {
      process.kill(pid, 0);
      return false;
    } catch {
      return true;
    }
  });
});

test('it ends with a pod that is killed', {
  skip: process.platform === 'linux' ? false : 'only on Linux',
}, async () => {
  const source = new URL('../../../../src/gateway/beside/bot-process.ts', import.meta.url).href;
  const pod = spawn(
    process.execPath,
    [
      '-e',
      `import(${JSON.stringify(source)}).then(({ BotProcess }) => {
         const log = { info: (facts, text) => text === 'up' || console.log(JSON.stringify(facts)), warn() {}, error() {} };
         const command = [process.execPath, '-e', 'setInterval(() => {}, 1000)'];
         new BotProcess({ command, env: process.env, readyMs: 60000, stopMs: 1000, log, onEnd() {} }).start();
         setInterval(() => {}, 1000);
       });`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [line] = (await once(pod.stdout, 'data')) as [Buffer];
  const { pid } = JSON.parse(line.toString()) as { pid: number };
  process.kill(pid, 0);
  pod.kill('SIGKILL');
  await until('the bot is gone', () => {
    try {
      process.kill(pid, 0);
      return false;
    } catch {
      return true;
    }
  });
});
