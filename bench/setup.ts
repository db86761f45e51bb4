import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
/** Whether the packages of the peers are installed in this folder. */
export const hasPackages = (...names: readonly string[]): boolean =>
  names.every((name) => existsSync(`${HERE}node_modules/${name}`));
const DEBIAN = ['haproxy', 'nginx', 'libnginx-mod-http-js'];

/** Installs the peers from npm into this folder, and those from Debian if possible. The benchmark names and skips missing ones. */
export function installPeers(progress: (line: string) => void): void {
  if (!hasPackages('fastify', 'better-sqlite3')) {
    progress('installing the peers from npm …');
    run('npm', ['ci', '--no-audit', '--no-fund'], progress);
  }
  const missing = DEBIAN.filter((name) => spawnSync('dpkg', ['-s', name]).status !== 0);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0 || spawnSync('apt-get', ['--version']).status !== 0) {
    progress(`not installed: ${missing.join(', ')}; installing them needs root on Debian`);
    return;
  }
  progress(`installing ${missing.join(', ')} from Debian …`);
  // Debian starts services on installation, and nginx would listen on port 80. A policy prevents that during the installation.
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
