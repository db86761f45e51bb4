// Of src/cli/{pods,program}.ts and src/cli/reshard/{reshard,local}.ts.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BARE } from '../../../support/environment.ts';
import { temporaryFolder } from '../../../support/store.ts';

const cli = fileURLToPath(new URL('../../../../testkit/cluster/cli.ts', import.meta.url));
const guildway = fileURLToPath(new URL('../../../../src/cli/index.ts', import.meta.url));
const main = fileURLToPath(new URL('../../../../src/main.ts', import.meta.url));

async function run(
  file: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(process.execPath, [file, ...args], { env: { ...BARE, ...env } });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  const [code] = await once(child, 'close');
  return { code, out, err };
}

test('--help shows the options', async () => {
  const { code, out } = await run(cli, ['--help']);
  assert.equal(code, 0);
  for (const option of ['--port', '--console-port', '--http-pods', '--gateway-pods', '--guilds', '--fresh']) {
    assert.ok(out.includes(option), option);
  }
});

test('both routing strategies can be chosen for the local cluster, chaos, staging and the benchmarks', async () => {
  const commands = [
    'testkit/cluster/cli.ts',
    'testkit/chaos/cli.ts',
    'scripts/staging/cli.ts',
    'bench/main.ts',
    'bench/load.ts',
  ];
  await Promise.all(
    commands.map(async (command) => {
      const file = fileURLToPath(new URL(`../../../../${command}`, import.meta.url));
      const [help, wrong] = await Promise.all([run(file, ['--help']), run(file, ['--routing', 'random'])]);
      assert.match(help.out, /--routing.*md5 or discord-shard/, command);
      assert.notEqual(wrong.code, 0, command);
      assert.match(wrong.err, /--routing random: it must be md5 or discord-shard/, command);
    }),
  );
});

test('an error names the wrong option and the remedy', async () => {
  for (const args of [['--guilds', 'many'], ['--port', '70000'], ['--routing', 'random'], ['--unknown']]) {
    const { code, err } = await run(cli, args);
    assert.equal(code, 1, args.join(' '));
    assert.match(err, /^guildway: .*\nSee: npm start -- --help\n$/s);
    assert.ok(err.includes(args[0] as string), err);
  }
  const { code, err } = await run(cli, [], { DISCORD_TOKEN: 'x' });
  assert.equal(code, 1);
  assert.match(err, /DISCORD_TOKEN set, but not DISCORD_PUBLIC_KEY and DISCORD_APP_ID/);
});

test('an error names the busy port and the remedy', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const { code, err } = await run(cli, ['--port', String(port), '--directory', '/tmp/guildway-test-busy']);
  server.close();
  assert.equal(code, 1);
  assert.match(err, new RegExp(`port ${port} is in use`));
  assert.match(err, /--port/);
});

test('a service with a wrong environment says so in one line and exits with 1', async () => {
  const { code, err } = await run(main, [], { SERVICE_MODE: 'http', NUM_GATEWAY_PODS: '0' });
  assert.equal(code, 1);
  assert.equal(err, 'guildway: NUM_GATEWAY_PODS: "0" is not allowed; it must be an integer from 1 to 10000\n');
});

test('the local cluster prints which commands Discord rejects; guildway status finds its pods, and guildway reshard adds one', async () => {
  using folder = temporaryFolder();
  const bot = folder.file('bot.ts');
  const definition = fileURLToPath(new URL('../../../../src/bot/index.ts', import.meta.url));
  await writeFile(
    bot,
    `import { defineBot, reply } from ${JSON.stringify(definition)};
     const warn = { name: 'Warn', description: 'x', run: () => reply('') };
     export default defineBot({ name: 'test', commands: [warn] });`,
  );
  const options = ['--gateway-pods', '1', '--http-pods', '1', '--guilds', '1', '--port', '0', '--console-port', '0'];
  const child = spawn(process.execPath, [cli, ...options, '--bot', bot, '--directory', folder.path], { env: BARE });
  let out = '';
  const refused = Promise.withResolvers<void>();
  child.stdout.on('data', (chunk) => {
    out += chunk;
    if (out.includes("Discord refuses the bot's commands")) refused.resolve();
  });
  child.on('close', refused.resolve);
  await refused.promise;
  const status = await run(guildway, ['status', '--directory', folder.path]);
  const json = await run(guildway, ['status', '--json', '--directory', folder.path]);
  const resize = ['reshard', '--pods', '2', '--directory', folder.path];
  const dry = await run(guildway, [...resize, '--dry-run']);
  const resized = await run(guildway, resize);
  const repeated = await run(guildway, resize);
  const grown = await run(guildway, ['status', '--directory', folder.path]);
  child.kill('SIGTERM');
  await once(child, 'close');
  const after = await run(guildway, ['status', '--directory', folder.path], { ADMIN_PORT: '1' });

  assert.match(status.out, /^Topology {2}NUM_GATEWAY_PODS=1 ROUTING=md5 TOPOLOGY_EPOCH=1$/m);
  assert.match(status.out, /^gateway-0 {2}ready {2}1 +1\/1 +0 +0 +\d+\.\d MB$/m);
  assert.match(status.out, /^ {2}gateway-0: Discord refuses the bot's commands/m);
  assert.equal(status.code, 0);
  assert.equal(JSON.parse(json.out).answers[0].name, 'gateway-0');
  assert.match(dry.out, /gateway pods 1 to 1 start, without guilds\n.*nothing was changed\n$/s);
  assert.deepEqual([resized.err, resized.code], ['', 0]);
  assert.match(resized.out, /guilds move\n.*every guild is at its owner among 2 gateway pods\n$/s);
  assert.equal(repeated.out, 'there are 2 gateway pods already\n');
  assert.match(grown.out, /^Topology {2}NUM_GATEWAY_PODS=2 ROUTING=md5 TOPOLOGY_EPOCH=2$/m);
  assert.match(grown.out, /^gateway-1 {2}ready/m);
  assert.match(out, /gateway-1 is added/);
  assert.doesNotMatch(out, /restarting it in/);
  assert.equal(after.code, 1);
  assert.match(after.err, /^guildway: no answer from http:\/\/127\.0\.0\.1:1 .* guildway status --admin/);
  assert.match(out, /gateway-0: Discord refuses the bot's commands.*"Warn"\.name: .*restart\n/);
});
