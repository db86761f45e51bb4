// Runs before `npm start`, `npm test` and the others, with whatever Node the machine has (20 or newer), and installs the
// project's packages when they are missing or out of date. One of them is the Node that the project itself runs on.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const root = new URL('../', import.meta.url);
const stamp = new URL('node_modules/.guildway-installed', root);
const lock = createHash('sha256')
  .update(readFileSync(new URL('package-lock.json', root)))
  .digest('hex');
const node = new URL('node_modules/node/bin/node', root);
const nodeOnWindows = new URL('node_modules/node/bin/node.exe', root);

const installed =
  existsSync(stamp) && readFileSync(stamp, 'utf8') === lock && (existsSync(node) || existsSync(nodeOnWindows));
if (!installed) {
  process.stderr.write('guildway: installing packages (npm ci) …\n');
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (status !== 0) {
    process.stderr.write('guildway: npm ci failed; its message is above. The npm registry must be reachable.\n');
    process.exit(status ?? 1);
  }
  writeFileSync(stamp, lock);
}
