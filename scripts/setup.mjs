// Runs before `npm start`, `npm test` and other commands, with any Node that the machine has (20 or newer). Installs the project's
// packages if those in node_modules differ from package-lock.json. One of the packages is the Node that the project runs on. npm ci
// starts by deleting node_modules, so it must never run while a process uses this folder, or twice at the same time.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const windows = process.platform === 'win32';
const node = `${root}node_modules/node/bin/node${windows ? '.exe' : ''}`;
/** Held during an installation. If its process is dead, the installation was interrupted. */
const lock = `${root}.guildway/install.lock`;
const WAIT_MS = 200;
const WAIT_AT_MOST_MS = 15 * 60_000;

const say = (text) => process.stderr.write(`guildway: ${text}\n`);

/** The folders of packages that differ from package-lock.json. */
function differences() {
  const { packages } = JSON.parse(readFileSync(`${root}package-lock.json`, 'utf8'));
  const different = Object.entries(packages)
    .filter(([folder, { version, optional, link }]) => {
      if (folder === '' || link) return false;
      const installed = versionIn(folder);
      // Packages for other platforms are optional and not installed.
      return installed === null ? !optional : installed !== version;
    })
    .map(([folder]) => folder);
  return existsSync(node) ? different : [...different, 'node_modules/node/bin'];
}

function versionIn(folder) {
  try {
    return JSON.parse(readFileSync(`${root}${folder}/package.json`, 'utf8')).version;
  } catch {
    return null;
  }
}

/** Process ids of pods, clusters, tests and others that run on the project's Node. */
function runningHere() {
  if (!existsSync(node)) return [];
  if (process.platform === 'linux') {
    const binary = realpathSync(node);
    return readdirSync('/proc').filter((pid) => {
      if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
      try {
        return (
          readlinkSync(`/proc/${pid}/exe`) === binary &&
          !readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('setup.mjs')
        );
      } catch {
        // The process has ended or belongs to another user.
        return false;
      }
    });
  }
  if (windows) return [];
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,command='], { encoding: 'utf8' }).split('\n');
  return lines
    .filter((line) => line.includes(node) && !line.includes('setup.mjs'))
    .map((line) => line.trim().split(/\s/, 1)[0]);
}

/** The process that holds the lock, or null without a lock. */
function holder() {
  try {
    return Number(readFileSync(lock, 'utf8'));
  } catch {
    return null;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** @returns whether an earlier installation was interrupted */
function takeLock() {
  mkdirSync(`${root}.guildway`, { recursive: true });
  const until = Date.now() + WAIT_AT_MOST_MS;
  let cutShort = false;
  for (let waited = false; ; waited = true) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      return cutShort;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const pid = holder();
    if (pid !== null && !isAlive(pid)) {
      cutShort = true;
      rmSync(lock, { force: true });
      continue;
    }
    if (!waited) say(`process ${pid} is installing packages; waiting for it`);
    if (Date.now() > until)
      throw new Error(
        `${lock} is still held by process ${pid}: if that process is not installing packages, delete the file`,
      );
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WAIT_MS);
  }
}

/** @returns the exit code */
function install() {
  const cutShort = takeLock();
  const different = differences();
  // Another process has installed them in the meantime.
  if (different.length === 0 && !cutShort) {
    rmSync(lock);
    return 0;
  }
  const running = runningHere();
  if (running.length > 0) {
    const shown = different.slice(0, 3).join(', ');
    const what = different.length > 3 ? `${shown} and ${different.length - 3} more` : shown;
    say(
      `packages are not those of package-lock.json (${what || 'an installation was cut short'}), and installing them would delete node_modules under processes that use it: ${running.join(', ')}. End them, then run this again.`,
    );
    if (!cutShort) rmSync(lock);
    return 1;
  }
  say('installing packages (npm ci) …');
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: windows,
  });
  if (status === 0) {
    rmSync(lock);
    return 0;
  }
  // Keeps the lock, because node_modules is now incomplete.
  say('npm ci failed; its message is above. The npm registry must be reachable.');
  return status ?? 1;
}

if (existsSync(lock) || differences().length > 0) process.exitCode = install();
