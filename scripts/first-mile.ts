/**
 * What a new user does, from the packed packages, with the `node` and `npm` of PATH (Node 20 is enough): an empty folder,
 * `npm create guildway`, `npm install`, `npm test`, `npm run dev`, and a first command that a pod answers. Prints the seconds of each
 * step: `npm run first-mile`.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'guildway-first-mile-'));
const STEP_MS = 300_000;
/** Without the Node of this project, as on a user's machine. */
const PATH = (process.env.PATH ?? '')
  .split(delimiter)
  .filter((path) => !path.includes('node_modules'))
  .join(delimiter);
const env = { PATH, HOME: process.env.HOME };

function run(cwd: string, command: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env, encoding: 'utf8', timeout: STEP_MS });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`);
  return stdout;
}

function pack(name: string): string {
  const [{ filename } = { filename: '' }] = JSON.parse(
    run(join(folder, name), 'npm', 'pack', '--json', '--pack-destination', folder),
  ) as { filename: string }[];
  return join(folder, filename);
}

let userSeconds = 0;
async function step(name: string, work: () => unknown): Promise<void> {
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1_000;
  userSeconds += seconds;
  process.stdout.write(`${seconds.toFixed(1).padStart(6)} s  ${name}\n`);
}

/** Starts the local cluster and calls /hello through the console's API, until it is answered. */
async function firstCommand(project: string): Promise<void> {
  const child = spawn('npm', ['run', 'dev', '--', '--port', '0', '--console-port', '0'], {
    cwd: project,
    env,
    detached: true,
  });
  try {
    let out = '';
    const url = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`npm run dev printed no console:\n${out}`)), STEP_MS);
      const read = (chunk: Buffer): void => {
        out += chunk.toString();
        const found = /Console +(http:\/\/localhost:\d+)/.exec(out)?.[1];
        if (found === undefined) return;
        clearTimeout(timer);
        resolve(found);
      };
      child.stdout.on('data', read);
      child.stderr.on('data', read);
      child.on('close', () => reject(new Error(`npm run dev ended:\n${out}`)));
    });
    const guilds = (await (await fetch(`${url}/console/api/guilds`)).json()) as { guilds: { id: string }[] };
    const response = await fetch(`${url}/console/api/commands`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ guildId: guilds.guilds[0]?.id, name: 'hello' }),
    });
    const text = await response.text();
    if (!text.includes('Hello, number 1!')) throw new Error(`/hello was answered with ${response.status} ${text}`);
  } finally {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
  }
}

try {
  run(root, join(root, 'node_modules/.bin/node'), 'scripts/build.ts', join(folder, 'guildway'));
  const dist = [join(folder, 'guildway'), join(folder, 'create-guildway')];
  run(root, join(root, 'node_modules/.bin/node'), 'scripts/build-create.ts', ...dist);
  const [guildway, create] = [pack('guildway'), pack('create-guildway')];
  const empty = join(folder, 'empty');
  mkdirSync(empty);
  const project = join(empty, 'my-bot');
  const made = ['my-bot', '--guildway', `file:${guildway}`];
  process.stdout.write(
    `Node ${run(empty, 'node', '--version').trim()}, npm ${run(empty, 'npm', '--version').trim()}\n`,
  );
  await step('npm create guildway my-bot', () =>
    run(empty, 'npm', 'exec', '--yes', `--package=${create}`, '--', 'create-guildway', ...made),
  );
  await step('npm install', () => run(project, 'npm', 'install', '--no-audit', '--no-fund'));
  await step('npm run dev, and /hello is answered', () => firstCommand(project));
  process.stdout.write(
    `${userSeconds.toFixed(1).padStart(6)} s  from the empty folder to the first answered command\n`,
  );
  await step('npm test', () => run(project, 'npm', 'test'));
  await step('npm run check', () => run(project, 'npm', 'run', 'check'));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
