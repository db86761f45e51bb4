import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
/** Whether packages of the peers are installed in this folder. */
export const hasPackages = (...names: readonly string[]): boolean =>
  names.every((name) => existsSync(`${HERE}node_modules/${name}`));
const DEBIAN = ['haproxy', 'nginx', 'libnginx-mod-http-js'];

/** Installs the peers: those from npm into this folder, those from Debian where we may. What is then missing is skipped by name. */
export function installPeers(progress: (line: string) => void): void {
  if (!hasPackages('fastify', 'better-sqlite3')) {
    progress('installing the peers from npm …');
    run('npm', ['ci', '--no-audit', '--no-fund'], progress);
  }
  const missing = DEBIAN.filter((name) => spawnSync('dpkg', ['-s', name]).status !== 0);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0 || spawnSync('apt-get', ['--version']).status !== 0) {
    progress(`not installed, and not root on Debian to install them: ${missing.join(', ')}`);
    return;
  }
  progress(`installing ${missing.join(', ')} from Debian …`);
  // Debian starts what it installs, and nginx would take port 80: a policy says no to it while we install.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const install = ['install', '-y', '--no-install-recommends', ...missing];
  if (!run('apt-get', install, progress, env)) {
    run('apt-get', ['update'], progress, env);
    run('apt-get', install, progress, env);
  }
}

function run(command: string, args: readonly string[], progress: (line: string) => void, env = process.env): boolean {
  const { status, stderr } = spawnSync(command, args, { cwd: HERE, env, encoding: 'utf8' });
  if (status !== 0) progress(`${command} ${args[0]} failed: ${stderr.trim().split('\n').at(-1)}`);
  return status === 0;
}
